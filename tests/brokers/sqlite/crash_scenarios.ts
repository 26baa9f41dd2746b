import { DatabaseSync } from "node:sqlite";
import { assert, assertEquals } from "@std/assert";
import { type Encoded, Message, SqliteBroker } from "@dq/dramatiq";

import type { SqliteDatabase } from "@dq/dramatiq/brokers/sqlite";
import { connectionOf } from "../../../clients/sqlite/handles.ts";
import { processNamespace } from "../../../platform/process.ts";
import { receiveCount, work } from "../../conformance/broker_messages.ts";
import { eventually } from "../../support/servers/until.ts";

/** Contents of a file after a crash: messages by their first argument, and data of an application. */
export interface Left {
  /** First arguments of the messages, with the names of their states, in order. */
  readonly messages: readonly string[];
  readonly orders: number;
  /** The rows of a table. */
  rows(table: string): readonly Readonly<Record<string, unknown>>[];
}

/** A program that may crash at any statement. */
export interface CrashScenario {
  /** Fills the file before. */
  prepare?(broker: SqliteBroker): Promise<void>;
  /** The program. It notes confirmed operations. */
  act(broker: SqliteBroker, confirm: (what: string) => void): Promise<void>;
  /** Throws if the file breaks a guarantee after the crash. */
  check(left: Left, confirmed: ReadonlySet<string>): void;
}

/** A body that is stored in a table of its own. */
export const LONG = "x".repeat(2_000);
const HOUR = 3_600_000;
export const QUEUE = "default";
/** Larger than any process id of Linux, macOS or Windows in practice. */
const NO_PROCESS = 99_999_999;
const STATES = ["ready", "taken", "delayed", "dead"];

/** Asserts that all messages are stored, each once, in any state. */
export function assertAllThere({ messages }: Left, count: number): void {
  const names = messages.map((one) => one.split(" ")[0]);
  assertEquals(names, Array.from({ length: count }, (_, i) => `${i}`));
}

/** Sends messages; every second one with a text. */
export async function sendAll(broker: SqliteBroker, count: number, text = ""): Promise<void> {
  await broker.enqueueMany(
    Array.from({ length: count }, (_, i) => work(QUEUE, i, i % 2 === 1 ? text : "")),
  );
}

/** Makes all delayed messages due. */
export async function makeDue(broker: SqliteBroker): Promise<void> {
  await broker.transaction(({ database }) =>
    database.exec("update dramatiq_messages set due=1 where state=2")
  );
}

/** The scenarios by name. */
export const CRASH_SCENARIOS: Readonly<Record<string, CrashScenario>> = {
  migrating: {
    async act(broker) {
      await broker.connect();
    },
    check: (left) => assertEquals(left.messages, []),
  },

  storing: {
    prepare: (broker) => broker.connect(),
    async act(broker, confirm) {
      await sendAll(broker, 3, LONG);
      confirm("sent");
    },
    check(left, confirmed) {
      if (confirmed.has("sent") || left.messages.length > 0) assertAllThere(left, 3);
    },
  },

  settlingAndReceiving: {
    prepare: (broker) => sendAll(broker, 4, LONG),
    async act(broker, confirm) {
      const consumer = broker.consume(QUEUE, { prefetch: 2 });
      for (let i = 0; i < 2; i++) {
        const received = await receiveCount(consumer, 2);
        confirm(`begun ${received.map(({ args }) => args[0])}`);
        await consumer.ack(received);
        confirm(`acknowledged ${received.map(({ args }) => args[0])}`);
      }
      await consumer.close();
    },
    check({ messages }, confirmed) {
      const names = messages.map((one) => Number(one.split(" ")[0]));
      for (const [first, second] of [[0, 1], [2, 3]] as const) {
        const count = names.filter((name) => name === first || name === second).length;
        if (confirmed.has(`acknowledged ${first},${second}`)) assertEquals(count, 0);
        else if (confirmed.has(`begun ${first},${second}`)) assert(count === 0 || count === 2);
        else assertEquals(count, 2);
      }
    },
  },

  deadLettering: {
    prepare: (broker) => sendAll(broker, 2, LONG),
    async act(broker, confirm) {
      const consumer = broker.consume(QUEUE, { prefetch: 2 });
      const [short, long] = await receiveCount(consumer, 2);
      short!.stuffException(new RangeError(LONG)); // becomes long
      long!.message = (long!.message as Message).copy({ args: [1] }); // becomes short
      await consumer.nack([short!, long!]);
      confirm("dead");
      await consumer.close();
    },
    check(left, confirmed) {
      assertAllThere(left, 2);
      if (confirmed.has("dead")) assertEquals(left.messages, ["0 dead", "1 dead"]);
    },
  },

  promoting: {
    async prepare(broker) {
      for (let i = 0; i < 3; i++) {
        await broker.enqueue(work(QUEUE, i, i === 1 ? LONG : ""), { delay: HOUR });
      }
      await makeDue(broker);
      for (let i = 0; i < 3; i++) await broker.enqueue(work(QUEUE, 3 + i), { delay: HOUR });
    },
    async act(broker, confirm) {
      const consumer = broker.consume(`${QUEUE}.DQ`, { prefetch: 10 });
      const aborter = new AbortController();
      const receiving = consumer.receive(10, { signal: aborter.signal });
      const isPromoted = async () => (await broker.getQueueMessageCounts(QUEUE)).ready === 3;
      await Promise.race([eventually("promote", isPromoted), receiving]);
      if (await isPromoted()) confirm("promoted");
      aborter.abort();
      await receiving;
      await consumer.close();
    },
    check(left, confirmed) {
      assertAllThere(left, 6);
      if (!confirmed.has("promoted")) return;
      assertEquals(left.messages.slice(0, 3), ["0 ready", "1 ready", "2 ready"]);
    },
  },

  recovering: {
    async prepare(broker) {
      await sendAll(broker, 3, LONG);
      const connection = connectionOf(broker);
      await connection.writer.transact(() => {
        const sql = "insert into dramatiq_workers(host,pid,label,started) values(?,?,'dead',0)";
        const { lastInsertRowid } = connection.statement(sql)
          .run(processNamespace()!, NO_PROCESS);
        connection.statement("update dramatiq_messages set state=1, owner=?").run(lastInsertRowid);
      });
    },
    async act(broker, confirm) {
      const consumer = broker.consume(QUEUE, { prefetch: 3 });
      const received = await receiveCount(consumer, 3); // with the first heartbeat
      confirm("received");
      await consumer.begin(received);
      await consumer.close();
      await broker.close();
    },
    check(left, confirmed) {
      assertAllThere(left, 3);
      const deaths = left.rows("dramatiq_messages").map((row) => row["deaths"]);
      if (confirmed.has("received")) assertEquals(deaths, [0, 0, 0]);
    },
  },

  requeuingDeadLetters: {
    async prepare(broker) {
      await sendAll(broker, 2, LONG);
      await using consumer = broker.consume(QUEUE, { prefetch: 2 });
      await consumer.nack(await receiveCount(consumer, 2));
    },
    async act(broker, confirm) {
      for await (const dead of broker.deadLetters(QUEUE)) await dead.requeue();
      confirm("requeued");
    },
    check(left, confirmed) {
      assertAllThere(left, 2);
      if (confirmed.has("requeued")) assertEquals(left.messages, ["0 ready", "1 ready"]);
    },
  },

  inspecting: {
    async prepare(broker) {
      await sendAll(broker, 2, LONG);
      await using consumer = broker.consume(QUEUE, { prefetch: 2 });
      await consumer.nack(await receiveCount(consumer, 2));
      await broker.enqueue(work(QUEUE, 2, LONG), { delay: HOUR });
    },
    async act(broker, confirm) {
      await using inspector = broker.inspect();
      const refs = async (state: "dead" | "delayed") =>
        (await inspector.list({ queueName: QUEUE, state })).messages.map(({ ref }) => ref);
      const [newest, oldest] = await refs("dead");
      await inspector.change([oldest!], "requeue");
      await inspector.change(await refs("delayed"), "runNow");
      confirm("moved");
      await inspector.change([newest!], "drop");
      confirm("dropped");
      const consumer = broker.consume(QUEUE, { prefetch: 1 });
      await receiveCount(consumer, 1);
      const counts = { done: 1, failed: 0, retried: 0, dead: 0 };
      await broker.withdrawReport({
        report: () => undefined,
        takeCounts: () => ({ work: counts }),
        returnCounts: () => {},
        minutes: [],
      });
      confirm("counted");
      await consumer.close();
    },
    check(left, confirmed) {
      if (!confirmed.has("moved")) return assertAllThere(left, 3);
      assertEquals(left.messages.filter((one) => !one.startsWith("1 ")).length, 2);
      if (confirmed.has("dropped")) assertEquals(left.messages.length, 2);
      if (confirmed.has("counted")) assertEquals(left.rows("dramatiq_minutes")[0]!["done"], 1);
    },
  },

  transacting: {
    async prepare(broker) {
      await broker.transaction(({ database }) => database.exec("create table orders(id integer)"));
    },
    async act(broker, confirm) {
      await broker.transaction((tx) => {
        tx.database.prepare("insert into orders values(?)").run(1);
        tx.enqueue(work(QUEUE, 0, LONG));
      });
      const { sql, parameters } = await broker.insertStatement(work(QUEUE, 1));
      await broker.transaction(({ database }) => {
        database.prepare("insert into orders values(?)").run(2);
        database.prepare(sql).run(...parameters);
      });
      confirm("committed");
    },
    check(left, confirmed) {
      assertEquals(left.messages.length, left.orders);
      if (confirmed.has("committed")) assertAllThere(left, 2);
    },
  },
};

/** A broker of a scenario: dead workers are noticed soon. */
export function openBroker(address: { path: string } | { database: SqliteDatabase }): SqliteBroker {
  return new SqliteBroker({ ...address, heartbeatInterval: 5, share: false });
}

/**
 * Reads what is left in a file, and asserts that it is whole.
 *
 * @param path The file.
 */
export function readLeft(path: string): Left {
  const database = new DatabaseSync(path);
  try {
    assertEquals({ ...database.prepare("pragma integrity_check").get() }, {
      integrity_check: "ok",
    });
    const tables = database.prepare("select name from sqlite_schema where type='table'").all()
      .map((row) => row["name"]);
    if (!tables.includes("dramatiq_messages")) return { messages: [], orders: 0, rows: () => [] };
    const strays = database.prepare(
      "select id from dramatiq_bodies where id not in (select id from dramatiq_messages where " +
        "body is null) union all select id from dramatiq_messages where body is null and id not in " +
        "(select id from dramatiq_bodies)",
    ).all();
    assertEquals(strays, []);
    const stored = database.prepare(
      "select m.state, m.owner, coalesce(m.body, b.body) body from dramatiq_messages m " +
        "left join dramatiq_bodies b on b.id=m.id",
    ).all();
    for (const { state, owner } of stored) assertEquals(owner !== null, state === 1);
    const messages = stored.map(({ state, body }) =>
      `${Message.decode(body as Encoded).args[0]} ${STATES[Number(state)]}`
    );
    const orders = tables.includes("orders")
      ? Number(database.prepare("select count(*) count from orders").get()!["count"])
      : 0;
    const rows = new Map(
      tables.map((table) => [String(table), database.prepare(`select * from ${table}`).all()]),
    );
    return { messages: messages.toSorted(), orders, rows: (table) => rows.get(table)! };
  } finally {
    database.close();
  }
}
