import { assert, assertEquals } from "@std/assert";
import { DatabaseSync } from "node:sqlite";
import { Writer } from "../../../clients/sqlite/writer.ts";
import { linesOf, textOf } from "../../support/log.ts";
import { test } from "../../support/test.ts";

const LOCKED = new Error("database is locked");

/** A writer on a database in memory, whose transactions and statements are noted. */
class Fixture {
  readonly noted: string[] = [];
  readonly writer: Writer;
  readonly database: DatabaseSync = new DatabaseSync(":memory:");
  /** Number of times that the lock is with another program. */
  busy = 0;
  lockTimeout = 30_000;
  /** Error while the lock is with another program. */
  refusal: Error = LOCKED;
  /** Milliseconds that an attempt to get the lock takes. */
  attempt = 0;
  /** Milliseconds that these attempts took. */
  passed = 0;

  constructor() {
    this.database.exec("create table numbers(n integer unique)");
    const begin = () => {
      if (this.busy === 0) return this.noted.push("begin");
      this.busy -= 1;
      this.passed += this.attempt;
      throw this.refusal;
    };
    this.writer = new Writer(Object.defineProperty(
      {
        path: "tasks.db",
        database: this.database,
        lockTimeout: 0,
        open: () => Promise.resolve(),
        check: () => {},
        translate: (error) => error,
        translateCommitError: (error) => error,
        statement: (sql) => {
          const statement = this.database.prepare(sql);
          if (sql === "begin immediate") return { ...NONE, run: () => (begin(), statement.run()) };
          if (sql === "commit") {
            return { ...NONE, run: () => (this.noted.push("commit"), statement.run()) };
          }
          return statement;
        },
      },
      "lockTimeout",
      { get: () => this.lockTimeout },
    ));
  }

  /** Inserts a number in a job, and notes what becomes of it. */
  insert(n: number, transact: "transact" | "transactAlone" = "transact"): Promise<void> {
    return this.writer[transact](() => {
      this.noted.push(`${n}`);
      this.database.prepare("insert into numbers values(?)").run(n);
    });
  }

  get numbers(): unknown[] {
    return this.database.prepare("select n from numbers order by n").all().map(({ n }) => n);
  }
}

const NONE = { get: () => undefined, all: () => [] };

test("Writer runs jobs of one turn in one transaction, and a heartbeat before them", async () => {
  const { writer, noted, ...fixture } = new Fixture();
  const jobs = [1, 2].map((n) => writer.transact(() => void noted.push(`${n}`)));
  writer.addFirst({ run: () => void noted.push("beat"), committed: () => {}, failed: () => {} });
  await Promise.all(jobs);
  assertEquals(noted, ["begin", "beat", "1", "2", "commit"]);
  fixture.database.close();
});

test("Writer gives a job a transaction of its own when it asks for one", async () => {
  const fixture = new Fixture();
  await Promise.all([fixture.insert(1), fixture.insert(2, "transactAlone"), fixture.insert(3)]);
  assertEquals(
    fixture.noted,
    ["begin", "1", "commit", "begin", "2", "commit", "begin", "3", "commit"],
  );
  fixture.database.close();
});

test("Writer rolls back all jobs of a transaction in which one failed, and tells each", async () => {
  const fixture = new Fixture();
  await fixture.insert(1);
  const outcomes = await Promise.allSettled([fixture.insert(2), fixture.insert(1)]);
  assertEquals(outcomes.map(({ status }) => status), ["rejected", "rejected"]);
  assertEquals([fixture.numbers, fixture.database.isTransaction], [[1], false]);
  await fixture.insert(3);
  assertEquals(fixture.numbers, [1, 3]);
  fixture.database.close();
});

test("Writer tries for a lock again, and counts the time from when it was first not had", async () => {
  const fixture = new Fixture();
  for (let n = 0; n < 3; n++) {
    fixture.busy = 3;
    await fixture.insert(n);
  }
  assertEquals(fixture.numbers, [0, 1, 2]);

  fixture.busy = Infinity;
  fixture.lockTimeout = 20;
  const [outcome] = await Promise.allSettled([fixture.insert(3)]);
  assertEquals(outcome.status, "rejected");
  // The timeout before counts no longer, nor does any time without a lock.
  fixture.busy = 1;
  await fixture.insert(4);
  assertEquals(fixture.numbers, [0, 1, 2, 4]);
  fixture.database.close();
});

test("Writer forgets the time for which it waited once it has had the lock", async () => {
  const fixture = new Fixture();
  fixture.busy = 1;
  await fixture.insert(1);
  await new Promise((resolve) => setTimeout(resolve, 20));
  fixture.lockTimeout = 10;
  fixture.busy = 1;
  await fixture.insert(2);
  assertEquals(fixture.numbers, [1, 2]);
  fixture.database.close();
});

test("Writer commits when its time is over, and gives the event loop its turn", async () => {
  const fixture = new Fixture();
  const jobs = Array.from({ length: 64 }, () =>
    fixture.writer.transact(() => {
      const endsAt = performance.now() + 1;
      while (performance.now() < endsAt);
    }));
  await Promise.all(jobs);
  const commits = fixture.noted.filter((one) => one === "commit").length;
  assert(commits > 1, `${commits} transactions`);
  fixture.database.close();
});

test("Writer.drained waits for jobs that are added while it waits", async () => {
  const fixture = new Fixture();
  let added: Promise<void> | undefined;
  void fixture.insert(1).then(() => added = fixture.insert(2));
  await fixture.writer.drained();
  assert(added !== undefined);
  assertEquals(fixture.numbers, [1, 2]);
  fixture.database.close();
});

const LOGGED = { category: ["dramatiq", "sqlite"] };

test("Writer logs once that a lock is held for long, and once that it got it", async () => {
  const fixture = new Fixture();
  const { now } = performance;
  performance.now = () => now.call(performance) + fixture.passed;
  fixture.attempt = 3_000;
  const lines = await linesOf(LOGGED, async () => {
    fixture.busy = 1;
    await fixture.insert(1); // waits 3 s, like one of many that write at once
    fixture.busy = 7;
    await fixture.insert(2);
  }).finally(() => performance.now = now);
  assertEquals(lines.map((line) => textOf(line).replace(/\d+(?:\.\d)? s$/, "N s")), [
    "Waiting for the lock of tasks.db: another connection has held it for N s",
    "Writing tasks.db again after N s",
  ]);
  assertEquals(fixture.numbers, [1, 2]);
  fixture.database.close();
});

test("Writer logs once that a full disk fails transactions, and once that they work again", async () => {
  const fixture = new Fixture();
  fixture.refusal = new Error("database or disk is full");
  fixture.busy = 2;
  const { now } = performance;
  performance.now = () => now.call(performance) + fixture.passed;
  const lines = await linesOf(LOGGED, async () => {
    for (const n of [1, 2, 3]) await fixture.insert(n).catch(() => {}); // the third one is small
    fixture.busy = 1;
    await fixture.insert(4).catch(() => {});
    fixture.passed += 6_000;
    await fixture.insert(5);
  }).finally(() => performance.now = now);
  assertEquals(lines.map((line) => textOf(line).replace(/\d+\.\d s$/, "N s")), [
    "Failed to write tasks.db, will retry: database or disk is full",
    "Writing tasks.db again after N s",
  ]);
  assertEquals(fixture.numbers, [3, 5]);
  fixture.database.close();
});
