import { rename } from "node:fs/promises";
import { join } from "node:path";
import { assert, assertEquals, assertRejects } from "@std/assert";
import { ConnectionClosed, SqliteBroker } from "@dq/dramatiq";
import type { SqliteDatabase, SqliteStatement } from "@dq/dramatiq/brokers/sqlite";
import { recover } from "../../../brokers/sqlite/recovery.ts";
import { connectionOf } from "../../../clients/sqlite/handles.ts";
import { receiveCount, receiveOne, work } from "../../conformance/broker_messages.ts";
import { FakeClock } from "../../support/fake_clock.ts";
import { withFolder } from "../../support/folder.ts";
import { eventually } from "../../support/servers/until.ts";
import { test } from "../../support/test.ts";
import { type AppDatabase, OPENERS } from "./databases.ts";

const open = OPENERS["node:sqlite"]!;
const FULL = "database or disk is full";

/** A database some of whose statements fail for lack of room. */
class FailingDatabase implements SqliteDatabase {
  /** Number of claims, and of inserts, that fail from now on. */
  readonly failures: { update: number; insert: number } = { update: 0, insert: 0 };
  readonly #database: AppDatabase = open(":memory:");

  exec(sql: string): void {
    this.#database.exec(sql);
  }

  prepare(sql: string): SqliteStatement {
    const statement = this.#database.prepare(sql);
    const fail = () => {
      const kind = sql.startsWith("update dramatiq_messages set state=1")
        ? "update"
        : sql.startsWith("insert into dramatiq_messages")
        ? "insert"
        : undefined;
      if (kind === undefined || this.failures[kind] === 0) return;
      this.failures[kind] -= 1;
      throw new Error(FULL);
    };
    return {
      run: (...parameters) => (fail(), statement.run(...parameters)),
      get: (...parameters) => (fail(), statement.get(...parameters)),
      all: (...parameters) => (fail(), statement.all(...parameters)),
    };
  }

  close(): void {
    this.#database.close();
  }
}

/** Interrupts a claim: the consumer has a message, and another one is ready. */
async function withClaiming(
  interrupt: (
    consumer: ReturnType<SqliteBroker["consume"]>,
    aborter: AbortController,
  ) => Promise<void> | void,
): Promise<void> {
  await using broker = new SqliteBroker({ path: ":memory:" });
  await broker.enqueue(work("default", 1));
  await using consumer = broker.consume("default", { prefetch: 2 });
  await receiveOne(consumer);
  await broker.enqueue(work("default", 2));
  const aborter = new AbortController();
  const receiving = consumer.receive(1, { signal: aborter.signal }); // claims at the end of the turn
  await interrupt(consumer, aborter);
  await connectionOf(broker).writer.drained();
  aborter.abort();
  assertEquals(await receiving, []);
  const { ready, unacknowledged } = await broker.getQueueMessageCounts("default");
  assertEquals([ready, unacknowledged], [1, 1]);
}

test("Consumer.pause keeps a claim that is under way from taking anything", async () => {
  await withClaiming((consumer) => consumer.pause());
});

test("Consumer.receive takes nothing when its signal aborts before the claim", async () => {
  await withClaiming((_, aborter) => aborter.abort());
});

test("Consumer.requeue wakes another consumer of the same process", async () => {
  await using broker = new SqliteBroker({ path: ":memory:" });
  await broker.enqueueMany([work("default", 1), work("default", 2)]);
  await using first = broker.consume("default", { prefetch: 2 });
  const [one] = await receiveCount(first, 2);
  await using second = broker.consume("default");
  const receiving = receiveOne(second);
  await eventually("be empty", async () => {
    await connectionOf(broker).writer.drained();
    return (await broker.getQueueMessageCounts("default")).ready === 0;
  });
  await first.requeue(one!);
  assertEquals((await receiving).args[0], 1);
});

test("Consumer.receive goes on when there was no room for a claim", async () => {
  const database = new FailingDatabase();
  const broker = new SqliteBroker({ database });
  await broker.enqueue(work("default", 1));
  const consumer = broker.consume("default");
  database.failures.update = 2;
  assertEquals((await receiveOne(consumer)).args, [1]);
  assertEquals(database.failures.update, 0);
  await consumer.close();
  await broker.close();
  database.close();
});

test("SqliteBroker makes a queue again whose first message was rolled back", async () => {
  const database = new FailingDatabase();
  const broker = new SqliteBroker({ database });
  database.failures.insert = 1;
  await assertRejects(() => broker.enqueue(work("fresh", 1)), Error, FULL);
  await broker.enqueue(work("fresh", 2));
  assertEquals((await broker.getQueueMessageCounts("fresh")).ready, 1);
  const queues = database.prepare("select name from dramatiq_queues where name='fresh'").all();
  assertEquals(queues.length, 1);
  await broker.close();
  database.close();
});

test("Consumer.receive fails when the row of its worker is gone, though nothing is to be claimed", async () => {
  await withFolder(async (folder) => {
    const path = join(folder, "tasks.db");
    await using broker = new SqliteBroker({ path, heartbeatInterval: 20 });
    await using consumer = broker.consume("default");
    const receiving = assertRejects(() => consumer.receive(1), ConnectionClosed, "taken it over");
    const connection = connectionOf(broker);
    const count = () => connection.statement("select count(*) count from dramatiq_workers").get();
    await eventually(
      "begin",
      () => connection.database !== undefined && (count() as { count: number }).count > 0,
    );
    const other = open(path);
    await eventually("delete", () => {
      other.exec("delete from dramatiq_workers");
      return true;
    });
    other.close();
    await receiving;
  });
});

test("A worker that others look at several times between two heartbeats is not dead", async () => {
  await withFolder(async (folder) => {
    const path = join(folder, "tasks.db");
    await using holder = new SqliteBroker({ path, share: false, clock: new FakeClock() });
    await holder.enqueue(work("default", "held"));
    await using holding = holder.consume("default");
    const held = await receiveOne(holding);
    await using watcher = new SqliteBroker({ path, share: false, heartbeatInterval: 10 });
    await using watching = watcher.consume("default");
    const aborter = new AbortController();
    const receiving = watching.receive(1, { signal: aborter.signal });
    const beats = connectionOf(watcher);
    const most = "select coalesce(max(beat),0) beat from dramatiq_workers";
    await eventually("look several times", () =>
      beats.database !== undefined &&
      (beats.statement(most).get() as { beat: number }).beat > 4);
    aborter.abort();
    assertEquals(await receiving, []);
    await holding.ack(held);
    assert(!holding.isLost);
  });
});

test("A heartbeat that could not be written is followed by others", async () => {
  await withFolder(async (folder) => {
    const path = join(folder, "tasks.db");
    await using broker = new SqliteBroker({ path, lockTimeout: 5, heartbeatInterval: 10 });
    await broker.enqueue(work("default", 1));
    await using consumer = broker.consume("default");
    await receiveOne(consumer);
    const connection = connectionOf(broker);
    const { writer } = connection;
    const other = open(path);
    await eventually("get the lock", () => {
      other.exec("begin immediate");
      return true;
    });
    // One fails behind it, and with it the heartbeat that goes first.
    for (let i = 0; i < 3; i++) {
      await new Promise((resolve) => setTimeout(resolve, 15));
      await assertRejects(() => writer.transact(() => {}));
    }
    other.exec("rollback");
    other.close();
    const beat = () =>
      (connection.statement("select beat from dramatiq_workers").get() as { beat: number }).beat;
    const before = beat();
    await eventually("go on", () => beat() > before + 1);
  });
});

test("recover gives back nothing of a worker that has written a heartbeat since", async () => {
  await using broker = new SqliteBroker({ path: ":memory:" });
  await broker.enqueue(work("default", 1));
  await using consumer = broker.consume("default");
  const received = await receiveOne(consumer);
  const connection = connectionOf(broker);
  const { id, beat } = connection.statement("select id, beat from dramatiq_workers").get() as {
    id: number;
    beat: number;
  };
  await recover(connection, { id, beat: beat - 1 }, "dead");
  assertEquals((await broker.getQueueMessageCounts("default")).unacknowledged, 1);
  await consumer.ack(received);
  assertEquals((await broker.getQueueMessageCounts("default")).unacknowledged, 0);
});

test("Consumer.receive fails when its file is moved away while it waits", async () => {
  await withFolder(async (folder) => {
    const path = join(folder, "tasks.db");
    await using broker = new SqliteBroker({ path });
    await using consumer = broker.consume("default");
    const receiving = assertRejects(() => consumer.receive(1), ConnectionClosed, "moved");
    const connection = connectionOf(broker);
    await eventually("begin", () => connection.database !== undefined);
    await rename(path, `${path}-away`);
    await receiving;
  });
});
