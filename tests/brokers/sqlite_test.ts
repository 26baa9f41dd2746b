import { mkdtemp, rename, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Broker, decodeFromQueue, type Encoded, SqliteBroker } from "@dq/dramatiq";
import type { SqliteConnection } from "../../clients/sqlite/connection.ts";
import { connectionOf } from "../../clients/sqlite/handles.ts";
import { DELAYED, READY } from "../../clients/sqlite/schema.ts";
import { canonicalQueueName } from "../../core/queue_names.ts";
import { brokerConformance } from "../conformance/broker.ts";
import { eventually } from "../support/servers/until.ts";
import { after } from "../support/test.ts";

const folder = await mkdtemp(join(tmpdir(), "dramatiq-sqlite-"));
after(() => rm(folder, { recursive: true }));

/** Milliseconds: short, so that every rule is checked beside heartbeats. */
const HEARTBEAT_INTERVAL = 100;
/** Heartbeats that make some maintenance. */
const BEATS = 2;
const BEATS_SO_FAR = "select sum(beat) beats from dramatiq_workers";
const NO_SERVER = "it has no connection to a server";

brokerConformance({
  name: "SqliteBroker",
  undeclaredQueues: "accepted",
  create: ({ middleware, namespace }) =>
    new SqliteBroker({
      path: join(folder, `${namespace}.db`),
      share: false, // brokers of one namespace are those of several processes
      heartbeatInterval: HEARTBEAT_INTERVAL,
      ...(middleware && { middleware }),
    }),

  async deadLetters(broker, queueName) {
    const rows = await query(broker, "select * from dramatiq_messages where state=3 order by id");
    const queues = await query(broker, "select * from dramatiq_queues");
    const queue = queues.find(({ name }) => name === queueName)?.["id"];
    const bodies = await query(broker, "select * from dramatiq_bodies");
    return rows.filter((row) => row["queue"] === queue).map(({ id, body }) =>
      decodeFromQueue(
        queueName,
        (body ?? bodies.find((one) => one["id"] === id)!["body"]) as Encoded,
      )
    );
  },

  async putRaw(broker, queueName, data) {
    const connection = await opened(broker);
    await connection.writer.transact(() => {
      const name = canonicalQueueName(queueName);
      const state = name === queueName ? READY : DELAYED;
      connection.statement("insert or ignore into dramatiq_queues(name) values(?)").run(name);
      connection.statement(
        "insert into dramatiq_messages(queue,state,due,stamp,body) values(" +
          "(select id from dramatiq_queues where name=?),?,0,0,?)",
      ).run(name, state, data);
    });
    connection.notifier.notify();
  },

  async countMessages(broker, queueName) {
    const { ready, delayed, unacknowledged } = await (broker as SqliteBroker)
      .getQueueMessageCounts(queueName);
    const stray = await query(
      broker,
      "select 1 from dramatiq_bodies where id not in (select id from dramatiq_messages)",
    );
    return ready + delayed + unacknowledged + stray.length;
  },

  async breakConnections(broker) {
    const connection = await opened(broker);
    const { path } = connection;
    await rename(path, `${path}-away`);
    await eventually("miss its file", () => Promise.resolve(connection.database === undefined));
    await rename(`${path}-away`, path);
  },

  untilMaintained,

  async countIdleCalls(broker) {
    const connection = await opened(broker);
    const { statement, arrayStatement } = connection;
    let calls = 0;
    connection.statement = (sql) => {
      if (sql !== BEATS_SO_FAR) calls += 1;
      return statement.call(connection, sql);
    };
    connection.arrayStatement = (sql) => {
      calls += 1;
      return arrayStatement.call(connection, sql);
    };
    await untilMaintained(broker);
    Object.assign(connection, { statement, arrayStatement });
    return calls;
  },

  skips: {
    deliveryUnreachable: NO_SERVER,
    deliveryUnanswered: NO_SERVER,
    deliveryCutOff: NO_SERVER,
    sendingBounded: NO_SERVER,
  },
});

async function opened(broker: Broker): Promise<SqliteConnection> {
  const connection = connectionOf(broker);
  await connection.open();
  return connection;
}

async function query(broker: Broker, sql: string): Promise<Record<string, unknown>[]> {
  const connection = await opened(broker);
  return await connection.read(() => connection.statement(sql).all()) as Record<string, unknown>[];
}

/** Waits for heartbeats: each comes with a look at other workers. */
async function untilMaintained(broker: Broker): Promise<void> {
  const beat = async () => Number((await query(broker, BEATS_SO_FAR))[0]!["beats"]);
  const first = await beat();
  await eventually("renew its heartbeat", async () => await beat() >= first + BEATS);
}
