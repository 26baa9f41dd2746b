import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { assertEquals } from "@std/assert";
import { SqliteBroker } from "@dq/dramatiq";
import { connectionOf } from "../../clients/sqlite/handles.ts";
import { DEAD, READY } from "../../clients/sqlite/schema.ts";
import { inspectorConformance } from "../conformance/inspector.ts";
import { after, test } from "../support/test.ts";

const folder = await mkdtemp(join(tmpdir(), "dramatiq-inspect-"));
after(() => rm(folder, { recursive: true }));

/** Milliseconds: short, so that reports come soon. */
const HEARTBEAT_INTERVAL = 100;

inspectorConformance({
  name: "SqliteInspector",
  shares: true,
  open: (namespace, middleware) =>
    new SqliteBroker({
      path: join(folder, `${namespace}.db`),
      share: false, // brokers of one namespace are those of several processes
      heartbeatInterval: HEARTBEAT_INTERVAL,
      middleware,
    }),
  skips: { tellsOfMovedQueue: "its cursors are keys, and hold whatever becomes of their rows" },
  async putRaw(broker, queueName, data) {
    await broker.connect!();
    const connection = connectionOf(broker as SqliteBroker);
    await connection.writer.transact(() => {
      connection.statement("insert or ignore into dramatiq_queues(name) values(?)").run(queueName);
      connection.statement(
        "insert into dramatiq_messages(queue,state,due,stamp,body) values(" +
          "(select id from dramatiq_queues where name=?),?,0,0,?)",
      ).run(queueName, READY, data);
    });
  },
});

test("SqliteInspector leaves out what is no queue, but is written to where queues are listed", async () => {
  await using broker = new SqliteBroker({ path: ":memory:" });
  await broker.connect();
  await using inspector = broker.inspect();
  const add = connectionOf(broker).statement("insert into dramatiq_queues(name) values(?)");
  for (const name of ["q\x1b[2J\u009b\u202e", "", "a b", "q"]) add.run(name);
  const { queues } = await inspector.overview();
  assertEquals(queues.map(({ queueName }) => queueName), ["q"]);
});

test("SqliteInspector and deadLetters show messages without a body as undecodable", async () => {
  await using broker = new SqliteBroker({ path: ":memory:" });
  await broker.connect();
  broker.declareQueue("q");
  const connection = connectionOf(broker);
  connection.statement("insert into dramatiq_queues(id,name) values(7,'q')").run();
  connection.statement(
    "insert into dramatiq_messages(queue,state,due,stamp,body) values(7,?,?,0,null)",
  ).run(DEAD, Date.now());
  await using inspector = broker.inspect();
  const { messages } = await inspector.list({ queueName: "q", state: "dead" });
  assertEquals(messages.map(({ decodeError }) => decodeError?.name), ["DecodeError"]);
  for await (const dead of broker.deadLetters("q")) {
    assertEquals(dead.decodeError?.name, "DecodeError");
    await dead.drop();
  }
  assertEquals((await broker.getQueueMessageCounts("q")).dead, 0);
});
