/**
 * Does a unique message ever get lost, is one stored beside another of its key, or does a claim outlive
 * its message? Messages of a thousand keys, of which many are duplicates, and some are delayed, retried,
 * snoozed or fail for good, on workers that are killed (SIGKILL) all the time.
 *
 *     deno run -A tests/torture/claims.ts [--broker redis|sqlite] [--messages 100000] [--kills 100]
 *       [--workers 4] [--keys 1000] [--seed 1]
 *
 * @module
 */
import process from "node:process";
import { parseArgs } from "node:util";
import { tortureClaims } from "./claims/torture.ts";

const { values } = parseArgs({
  options: {
    broker: { type: "string", default: "redis" },
    messages: { type: "string", default: "100000" },
    kills: { type: "string", default: "100" },
    workers: { type: "string", default: "4" },
    keys: { type: "string", default: "1000" },
    seed: { type: "string", default: "1" },
  },
});
const { broker } = values;
if (broker !== "redis" && broker !== "sqlite") throw new TypeError(`Cannot torture ${broker}`);
const report = await tortureClaims({
  broker,
  messages: Number(values.messages),
  kills: Number(values.kills),
  workers: Number(values.workers),
  keys: Number(values.keys),
  seed: Number(values.seed),
});
const { lost, doubled, strangers, stuck } = report;
console.log(
  `${broker}: ${values.messages} messages sent, ${report.stored} stored, ${report.duplicates} duplicates, ` +
    `${report.kills} kills, ${report.seconds.toFixed(0)} s\n` +
    `lost ${lost.length}, doubled ${doubled.length}, unknown holders ${strangers.length}, stuck keys ` +
    `${stuck.length}; ${report.stale} stale claims, each of which was taken over`,
);
const failures = [...lost, ...doubled, ...strangers, ...stuck];
if (failures.length > 0) console.error(`FAILED: ${failures.slice(0, 20).join(", ")}`);
process.exitCode = failures.length === 0 ? 0 : 1;
