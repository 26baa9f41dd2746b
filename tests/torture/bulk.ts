/**
 * Does a bulk requeue that is killed in the middle lose or double messages?
 *
 * Kills the dashboard in the middle of an operation, and `worker.ts jobs retry`, on a Redis and on an
 * SQLite file; then does it again to the end, and looks at all that waits.
 *
 *     deno run -A tests/torture/bulk.ts [--messages 100000]
 *
 * @module
 */
import { join } from "node:path";
import process from "node:process";
import { parseArgs } from "node:util";
import { RedisBroker, SqliteBroker } from "../../mod.ts";
import { Fixture } from "../cli/fixture.ts";
import { startOwnRedis } from "../support/servers/redis.ts";
import { faultOf, type Requeued, requeueKilled } from "./bulk/killed_requeue.ts";
import { fillRedis } from "./inspecting/redis_caps.ts";
import { fillSqlite } from "./inspecting/sqlite_caps.ts";

const { values } = parseArgs({ options: { messages: { type: "string", default: "100000" } } });
const count = Number(values.messages);

function print(name: string, requeued: Requeued): void {
  const { before, ready, different, dead } = requeued;
  const fault = faultOf(requeued, count);
  console.log(
    `${name.padEnd(22)} killed after ${before} of ${count}; then ${ready} wait, ${different} ` +
      `different, ${dead} dead: ${fault ?? "0 lost, 0 doubled"}`,
  );
  if (fault !== undefined) process.exitCode = 1;
}

for (const means of ["dashboard", "jobs retry"] as const) {
  await using fixture = await Fixture.open();
  const server = await startOwnRedis();
  try {
    await fillRedis(server, count, ["dead"]);
    await using broker = new RedisBroker({ url: server.url, middleware: [] });
    broker.declareQueue("default");
    print(`Redis, ${means}`, await requeueKilled(fixture, means, server.url, broker, count / 2));
  } finally {
    await server.stop();
  }
  const path = join(fixture.folder, "tasks.db");
  await fillSqlite(path, count, ["dead"]);
  await using broker = new SqliteBroker({ path, middleware: [] });
  const url = `sqlite:${path}`;
  print(`SQLite, ${means}`, await requeueKilled(fixture, means, url, broker, count / 2));
}
