/**
 * Does looking into a broker cost the same however much it holds?
 *
 * Fills a Redis and an SQLite file with waiting messages and dead letters, and counts what the calls of
 * an inspector, the pages of the dashboard and the commands that read cost by the statistics of the
 * server: commands and bytes on Redis, statements and rows on SQLite. Times are for people.
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
import * as redis from "./inspecting/redis_looks.ts";
import { fillSqlite, measureSqlite } from "./inspecting/sqlite_caps.ts";
import * as sqlite from "./inspecting/sqlite_looks.ts";

const { values } = parseArgs({
  options: { messages: { type: "string", default: "1000000" } },
});
const count = Number(values.messages);
let isOver = false;

/** Prints a row: a name, numbers with their caps, and what is for people. */
function print(name: string, numbers: readonly [string, number, number][], rest: string): void {
  const isBad = numbers.some(([, number, cap]) => number > cap);
  isOver ||= isBad;
  const cells = numbers.map(([unit, number, cap]) =>
    `${String(number).padStart(8)} of ${String(cap).padStart(8)} ${unit}`
  );
  console.log(`${name.padEnd(75)}${cells.join("  ")}  ${rest}${isBad ? "  OVER" : ""}`);
}

const ms = (time: number) => `${time.toFixed(1).padStart(7)} ms`;
const shownOf = (shown: number) => `${String(shown).padStart(7)} characters`;

console.log(`Redis, ${count} waiting messages and ${count} dead letters`);
const server = await startOwnRedis();
try {
  await fillRedis(server, count);
  const calls = (await measureRedis(server, count)).map((one) => ({ ...one, shown: undefined }));
  await redis.fillForLooks(server);
  const looks = await redis.measureRedisLooks(server);
  for (const { name, commands, bytes, cap, time, shown } of [...calls, ...looks]) {
    print(
      shown === undefined ? `inspector: ${name}` : name,
      [["commands", commands, cap.commands], ["bytes", bytes, cap.bytes]],
      ms(time) + (shown === undefined ? "" : shownOf(shown)),
    );
  }
} finally {
  await server.stop();
}

console.log(`\nSQLite, ${count} waiting messages and ${count} dead letters`);
await withFolder(async (folder) => {
  const path = join(folder, "tasks.db");
  await fillSqlite(path, count);
  for (const { name, statements, cap, longest } of await measureSqlite(path, count)) {
    print(`inspector: ${name}`, [["statements", statements, cap]], `blocked for ${ms(longest)}`);
  }
  await sqlite.fillForLooks(path);
  for (const one of await sqlite.measureSqliteLooks(path, count)) {
    const { name, statements, cap, rows, rowCap, shown, time } = one;
    print(
      name,
      [["statements", statements, cap], ["rows", rows, rowCap]],
      ms(time) + shownOf(shown),
    );
  }
});
if (isOver) process.exitCode = 1;
