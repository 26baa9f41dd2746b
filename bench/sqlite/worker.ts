/**
 * A worker of `bench/sqlite_processes.ts`: it prints what it measured, and ends.
 *
 * @module
 */
import { readFileSync } from "node:fs";
import process from "node:process";
import { actor, SqliteBroker, Worker } from "../../mod.ts";
import { pause, systemClock } from "../../platform/clock.ts";

/** Milliseconds for which the event loop was held up, and in which it was ready but had no core. */
interface HoldUp {
  time: number;
  withoutCore: number;
}

/** Milliseconds in which the main thread was ready to run but had no core, so far; 0 elsewhere. */
function timeWithoutCore(): number {
  if (process.platform !== "linux") return 0;
  return Number(readFileSync("/proc/self/schedstat", "utf8").split(" ")[1]) / 1e6;
}

const [path = "", kind, count] = process.argv.slice(2);
const WARM_UP = 20;
/** Milliseconds after which a worker has started, and compiled what it does when it is idle. */
const START_TIME = 3_000;
/** Milliseconds between two timers that tell how long the event loop was held up. */
const TICK = 2;
const broker = new SqliteBroker({ path });
const now = () => performance.timeOrigin + performance.now();
const cpu = () => {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1_000;
};

const latencies: number[] = [];
let ran = 0;
let first = Infinity;
let last = 0;
const done = Promise.withResolvers<void>();
actor((sentAt: number) => {
  last = now();
  first = Math.min(first, last);
  if (kind === "latencies") latencies.push(last - sentAt);
  if (++ran === Number(count) + WARM_UP) done.resolve();
}, { broker, actorName: "note" });

const worker = new Worker(broker, { concurrency: kind === "latencies" ? 8 : 100 });
if (kind === "share") await broker.connect();
else await worker.start();
console.log("ready");
if (kind === "latencies") {
  await done.promise;
  console.log(JSON.stringify(latencies.slice(WARM_UP)));
} else if (kind === "idle") {
  await pause(systemClock, START_TIME);
  const [begunAt, begun] = [performance.now(), cpu()];
  await pause(systemClock, Number(count));
  console.log(JSON.stringify((cpu() - begun) / (performance.now() - begunAt)));
} else {
  await new Promise((resolve) => process.stdin.once("data", resolve));
  const begun = cpu();
  const holdUps: HoldUp[] = [];
  let due = performance.now() + TICK;
  let waited = timeWithoutCore();
  const timer = setInterval(() => {
    const now = performance.now();
    const waits = timeWithoutCore();
    holdUps.push({ time: now - due, withoutCore: Math.min(now - due, waits - waited) });
    due = now + TICK;
    waited = waits;
  }, TICK);
  await worker.start();
  await broker.join("default");
  clearInterval(timer);
  const longest = Math.max(...holdUps.map(({ time }) => time));
  const own = Math.max(...holdUps.map(({ time, withoutCore }) => time - withoutCore));
  console.log(JSON.stringify({ ran, first, last, cpu: cpu() - begun, longest, own }));
}
process.exit(0);
