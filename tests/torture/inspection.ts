/**
 * Does looking into a broker cost the same however much it holds?
 *
 * Fills a Redis and an SQLite file with waiting messages and dead letters, and counts what the calls of
 * an inspector cost by the statistics of the server: commands and bytes on Redis, statements on SQLite.
 *
 *     deno run -A tests/torture/inspection.ts [--messages 1000000]
 *
 * @module
 */
import { join } from "node:path";
import process from "node:process";
import { parseArgs } from "node:util";
import { withFolder } from "../support/folder.ts";
import { startOwnRedis } from "../support/servers/redis.ts";
import { fillRedis, measureRedis } from "./inspecting/redis_caps.ts";
import { fillSqlite, measureSqlite } from "./inspecting/sqlite_caps.ts";

const { values } = parseArgs({
  options: { messages: { type: "string", default: "1000000" } },
});
const count = Number(values.messages);
let isOver = false;

const server = await startOwnRedis();
try {
  await fillRedis(server, count);
  for (const { name, commands, bytes, cap, time } of await measureRedis(server, count)) {
    const isBad = commands > cap.commands || bytes > cap.bytes;
    isOver ||= isBad;
    console.log(
      `redis   ${name.padEnd(30)} ${commands} of ${cap.commands} commands, ${bytes} of ` +
        `${cap.bytes} bytes, ${time.toFixed(1)} ms${isBad ? "  OVER" : ""}`,
    );
  }
} finally {
  await server.stop();
}

await withFolder(async (folder) => {
  const path = join(folder, "tasks.db");
  await fillSqlite(path, count);
  for (const { name, statements, cap, longest } of await measureSqlite(path, count)) {
    const isBad = statements > cap;
    isOver ||= isBad;
    console.log(
      `sqlite  ${name.padEnd(30)} ${statements} of ${cap} statements, blocked for ` +
        `${longest.toFixed(1)} ms${isBad ? "  OVER" : ""}`,
    );
  }
});
if (isOver) process.exitCode = 1;
