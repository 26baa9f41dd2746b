/**
 * Does each tick of a schedule store exactly one message, whatever happens to workers?
 *
 * Twenty worker processes, whose clocks are up to five minutes wrong, fire one schedule. All the time
 * workers are killed and replaced, or stopped and continued. They run nothing: in the end the queue
 * holds all messages, and each tick must have exactly one.
 *
 *     deno run -A tests/torture/periodic.ts [--broker redis] [--ticks 2000] [--every 100] [--seed 1]
 *     bun tests/torture/periodic.ts
 *     node tests/torture/periodic.ts
 *
 * Further options: `--workers 20`, `--pause 600` (milliseconds between two faults, at most), and
 * `--broker sqlite`, where all clocks are that of the machine.
 *
 * @module
 */
import process from "node:process";
import { parseArgs } from "node:util";
import { runtimeVersion } from "../../bench/measure.ts";
import { torturePeriodic } from "./periodic_torture.ts";

const text = (value: string | number) => ({ type: "string", default: `${value}` }) as const;
const { values } = parseArgs({
  options: {
    broker: text("redis"),
    ticks: text(2_000),
    every: text(100),
    workers: text(20),
    pause: text(600),
    seed: text(Math.floor(Math.random() * 2 ** 31)),
  },
});
const options = {
  broker: values.broker === "sqlite" ? "sqlite" : "redis",
  ticks: Number(values.ticks),
  every: Number(values.every),
  workers: Number(values.workers),
  pause: Number(values.pause),
  seed: Number(values.seed),
} as const;
console.log(`${runtimeVersion()}, ${JSON.stringify(options)}\n`);
const report = await torturePeriodic(options);
console.log(JSON.stringify(report, undefined, 2));
process.exitCode = report.missing.length + report.doubled.length === 0 ? 0 : 1;
