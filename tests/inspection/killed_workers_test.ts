import { join } from "node:path";
import { assertEquals } from "@std/assert";
import { type Broker, type Inspector, RedisBroker, SqliteBroker } from "@dq/dramatiq";
import { connectionOf } from "../../clients/sqlite/handles.ts";
import { testLong } from "../servers/own.ts";
import { withFolder } from "../support/folder.ts";
import { startRedis } from "../support/servers/redis.ts";
import { eventually } from "../support/servers/until.ts";
import { test } from "../support/test.ts";
import { WorkerProcess } from "./worker_processes.ts";

const HEARTBEAT_TIMEOUT = 1_000;

/** Pids of the workers that report. */
async function pids(inspector: Inspector): Promise<number[]> {
  return (await inspector.workers()).filter(({ hasReport }) => hasReport).map(({ pid }) => pid);
}

/** Kills a worker that is reported, and waits until it is listed no more. */
async function killOne(broker: Broker, worker: WorkerProcess): Promise<void> {
  await using inspector = broker.inspect();
  await eventually("see it", async () => (await pids(inspector)).includes(worker.pid));
  await worker.kill();
  await eventually("see it gone", async () => (await inspector.workers()).length === 0);
}

testLong("redis-server")("RedisInspector lists no worker that was killed", async () => {
  const server = await startRedis();
  try {
    const heartbeatTimeout = HEARTBEAT_TIMEOUT;
    await using broker = new RedisBroker({ url: server.url, heartbeatTimeout });
    await using worker = await WorkerProcess.start({ url: server.url, heartbeatTimeout });
    await killOne(broker, worker);
  } finally {
    await server.stop();
  }
});

test("SqliteInspector lists no worker that was killed", () =>
  withFolder(async (folder) => {
    const path = join(folder, "tasks.db");
    const heartbeatTimeout = HEARTBEAT_TIMEOUT;
    await using worker = await WorkerProcess.start({ path, heartbeatTimeout });
    await using broker = new SqliteBroker({ path, heartbeatTimeout });
    await killOne(broker, worker);
  }));

test("SqliteInspector lists no worker of another machine whose heartbeat does not change", () =>
  withFolder(async (folder) => {
    const path = join(folder, "tasks.db");
    await using broker = new SqliteBroker({ path, heartbeatTimeout: HEARTBEAT_TIMEOUT });
    await broker.connect();
    const connection = connectionOf(broker);
    await connection.writer.transact(() => {
      connection.statement(
        "insert into dramatiq_workers(host,pid,label,started) values('other',1,'it',0)",
      ).run();
    });
    await using inspector = broker.inspect();
    assertEquals((await inspector.workers()).map(({ id }) => id), ["it"]);
    await eventually("see it gone", async () => (await inspector.workers()).length === 0);
  }));
