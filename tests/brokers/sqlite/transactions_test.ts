import { join } from "node:path";
import { assertEquals, assertRejects, assertThrows } from "@std/assert";
import {
  actor,
  type Message,
  type Middleware,
  MiddlewareError,
  Results,
  SqliteBroker,
  SqliteResultBackend,
  Worker,
} from "@dq/dramatiq";
import { withFolder } from "../../support/folder.ts";
import { test } from "../../support/test.ts";
import { firstArgs, receiveCount, receiveOne } from "../../conformance/broker_messages.ts";
import { type AppDatabase, OPENERS, SAME_COPY } from "./databases.ts";

const CREATE = "create table orders(id integer primary key)";
const INSERT = "insert into orders values(?)";

/** An order, and the message that follows from it. */
function declareInvoice(broker: SqliteBroker): (order: number) => Message {
  const invoice = actor((_order: number) => {}, { broker, actorName: "invoice" });
  return (order) => invoice.message(order);
}

const ordersOf = (database: { prepare(sql: string): { all(): unknown[] } }) =>
  database.prepare("select id from orders order by id").all()
    .map((row) => (row as { id: number }).id);

const readyOf = async (broker: SqliteBroker) =>
  (await broker.getQueueMessageCounts("default")).ready;

test("SqliteBroker.transaction stores messages and data together, and calls hooks around it", async () => {
  const heard: string[] = [];
  const listener: Middleware = {
    beforeEnqueue: (_broker, message, delay) =>
      void heard.push(`before ${message.args[0]} ${delay}`),
    afterEnqueue: (_broker, message, delay) => void heard.push(`after ${message.args[0]} ${delay}`),
  };
  await using broker = new SqliteBroker({ path: ":memory:", middleware: [listener] });
  const invoice = declareInvoice(broker);
  const result = await broker.transaction((tx) => {
    tx.database.exec(CREATE);
    tx.database.prepare(INSERT).run(7);
    tx.enqueue(invoice(7));
    const delayed = tx.enqueue(invoice(8), { delay: { minutes: 5 } });
    assertEquals(delayed.queueName, "default.DQ");
    assertEquals(heard, ["before 7 undefined", "before 8 300000"]);
    return ordersOf(tx.database);
  });
  assertEquals(result, [7]);
  assertEquals(heard.slice(2), ["after 7 undefined", "after 8 300000"]);
  const { ready, delayed } = await broker.getQueueMessageCounts("default");
  assertEquals([ready, delayed], [1, 1]);
  await using consumer = broker.consume("default");
  assertEquals((await receiveOne(consumer)).args, [7]);
});

test("SqliteBroker.transaction stores nothing when its function throws, waits, or is called in another", async () => {
  await using broker = new SqliteBroker({ path: ":memory:" });
  const invoice = declareInvoice(broker);
  await broker.transaction(({ database }) => database.exec(CREATE));
  const reason = new RangeError("no such order");
  let left: Parameters<Parameters<SqliteBroker["transaction"]>[0]>[0] | undefined;
  const thrown = await broker.transaction((tx) => {
    left = tx;
    tx.database.prepare(INSERT).run(7);
    tx.enqueue(invoice(7));
    throw reason;
  }).catch((error) => error);
  assertEquals(thrown, reason);
  assertThrows(() => left!.enqueue(invoice(7)), TypeError, "it is over");
  const twice = (tx: NonNullable<typeof left>) => {
    tx.enqueue(invoice(7));
    for (let i = 0; i < 2; i++) tx.database.prepare(INSERT).run(7);
  };
  const own = await broker.transaction(twice).catch((error) => error);
  assertEquals(/UNIQUE/.test(own.message), true, "an error of the application stays what it is");
  await assertRejects(
    () =>
      broker.transaction((tx) => {
        tx.enqueue(invoice(7));
        return Promise.reject(new Error("too late"));
      }),
    TypeError,
    "returned a promise",
  );
  await assertRejects(
    () => broker.transaction(() => void broker.transaction(() => {})),
    TypeError,
    "inside another one",
  );
  assertEquals(await readyOf(broker), 0);
  assertEquals(await broker.transaction(({ database }) => ordersOf(database)), []);
  await broker.enqueue(invoice(1)); // the queue, which was rolled back, too
  assertEquals(await readyOf(broker), 1);
});

test("SqliteBroker.transaction refuses what middleware refuses, and hooks that are asynchronous", async () => {
  const refusing: Middleware = {
    beforeEnqueue(_broker, message) {
      if (message.args[0] === 1) throw new MiddlewareError("no");
      if (message.args[0] === 2) return Promise.resolve();
    },
  };
  await using broker = new SqliteBroker({ path: ":memory:", middleware: [refusing] });
  const invoice = declareInvoice(broker);
  const send = (order: number) => broker.transaction((tx) => tx.enqueue(invoice(order)));
  await assertRejects(() => send(1), MiddlewareError, "no");
  await assertRejects(() => send(2), TypeError, "asynchronous");
  await send(3);
  assertEquals(await readyOf(broker), 1);
});

for (const [name, open] of Object.entries(OPENERS)) {
  test(`SqliteBroker works on a connection of the application (${name})`, async () => {
    await withFolder(async (folder) => {
      const database = open(join(folder, "app.db"));
      try {
        await workOn(database);
      } finally {
        database.close();
      }
    });
  });
}

async function workOn(database: AppDatabase): Promise<void> {
  database.exec(CREATE);
  await using broker = new SqliteBroker({ database });
  assertEquals(broker.isInMemory, false);
  const backend = new SqliteResultBackend({ broker });
  broker.addMiddleware(new Results({ backend, storeResults: true }));
  const double = actor((n: number, _padding: string) => n * 2, { broker, actorName: "double" });
  const late = actor(() => {}, { broker, actorName: "late" });
  await using worker = new Worker(broker);
  await worker.start();
  const long = "x".repeat(5_000);
  const sent = await broker.transaction((tx) => {
    tx.database.prepare(INSERT).run(1);
    return tx.enqueue(double.message(21, long));
  });
  assertEquals(await sent.getResult({ block: true }), 42);
  await late.sendWithOptions({ delay: 20 });
  database.exec("begin");
  database.prepare(INSERT).run(2);
  broker.enqueueIn(database, [double.message(1, ""), double.message(2, long)]);
  database.exec("commit");
  await broker.join("default");
  assertEquals(ordersOf(database), [1, 2]);
  assertEquals(await broker.getQueueMessageCounts("default"), {
    ready: 0,
    delayed: 0,
    unacknowledged: 0,
    dead: 0,
  });
}

for (const name of SAME_COPY) {
  test(`SqliteBroker.enqueueIn sends with the transaction of another connection (${name})`, async () => {
    await withFolder(async (folder) => {
      const path = join(folder, "app.db");
      await using broker = new SqliteBroker({ path });
      const invoice = declareInvoice(broker);
      await broker.connect();
      const database = OPENERS[name]!(path);
      try {
        assertThrows(() => broker.enqueueIn(database, [invoice(1)]), TypeError, "no transaction");
        database.exec("begin immediate");
        broker.enqueueIn(database, [invoice(1)]);
        database.exec("rollback");
        database.exec("begin immediate");
        broker.enqueueIn(database, [invoice(2)]);
        broker.enqueueIn(database, [invoice(3)], { delay: 60_000 });
        await using consumer = broker.consume("default");
        const receiving = receiveOne(consumer);
        database.exec("commit");
        assertEquals((await receiving).args, [2]);
        const { ready, delayed } = await broker.getQueueMessageCounts("default");
        assertEquals([ready, delayed], [0, 1]);
        database.exec("begin");
        broker.enqueueIn(database, [invoice(4)]);
        database.exec("commit"); // and is closed at once, before anybody is told
      } finally {
        database.close();
      }
      await using consumer = broker.consume("default", { prefetch: 2 });
      assertEquals(firstArgs(await receiveCount(consumer, 2)), [2, 4]); // the first came back
    });
  });
}

test("SqliteBroker.enqueueIn refuses a database that is not the broker's", async () => {
  await withFolder(async (folder) => {
    await using broker = new SqliteBroker({ path: join(folder, "tasks.db") });
    await using other = new SqliteBroker({ path: join(folder, "other.db") });
    await Promise.all([broker.connect(), other.connect()]);
    const invoice = declareInvoice(broker);
    for (const [file, reason] of [["other.db", "its file is"], ["new.db", "no tables"]] as const) {
      const database = OPENERS["node:sqlite"]!(join(folder, file));
      database.exec("begin");
      assertThrows(() => broker.enqueueIn(database, [invoice(1)]), TypeError, reason);
      database.exec("rollback");
      database.close();
    }
  });
});

test("SqliteBroker.insertStatement makes a statement that others run in their transactions", async () => {
  await withFolder(async (folder) => {
    const path = join(folder, "app.db");
    await using broker = new SqliteBroker({ path });
    const invoice = declareInvoice(broker);
    const ready = await broker.insertStatement(invoice(1));
    const delayed = await broker.insertStatement(invoice(2), { delay: 60_000 });
    const database = OPENERS["node:sqlite"]!(path);
    database.exec("begin immediate");
    for (const { sql, parameters } of [ready, delayed]) database.prepare(sql).run(...parameters);
    database.exec("commit");
    database.close();
    await using consumer = broker.consume("default");
    assertEquals((await receiveOne(consumer)).args, [1]);
    assertEquals((await broker.getQueueMessageCounts("default")).delayed, 1);
  });
});

test("SqliteBroker.enqueueIn stores all messages or none, and leaves the transaction as it was", async () => {
  const database = OPENERS["node:sqlite"]!(":memory:");
  const broker = new SqliteBroker({ database });
  const invoice = declareInvoice(broker);
  await broker.connect();
  database.exec(
    "create table orders(id integer); create trigger refuse before insert on dramatiq_messages " +
      "when new.body like '%[13]%' begin select raise(abort, 'unlucky'); end",
  );
  database.exec("begin immediate");
  database.exec("insert into orders values(1)");
  assertThrows(() => broker.enqueueIn(database, [invoice(1), invoice(13)]), Error, "unlucky");
  broker.enqueueIn(database, [invoice(2)]);
  database.exec("commit");
  await using consumer = broker.consume("default", { prefetch: 3 });
  assertEquals(firstArgs(await receiveCount(consumer, 1)), [2]);
  assertEquals((await broker.getQueueMessageCounts("default")).ready, 0);
  assertEquals(database.prepare("select id from orders").all().length, 1);
  await consumer.close();
  await broker.close();
  database.close();
});
