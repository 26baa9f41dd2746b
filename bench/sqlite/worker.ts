/**
 * A worker of `bench/sqlite_processes.ts`: it prints what it measured, and ends.
 *
 * @module
 */
import process from "node:process";
import { actor, SqliteBroker, Worker } from "../../mod.ts";
import { pause, systemClock } from "../../platform/clock.ts";

const [path = "", kind, count] = process.argv.slice(2);
const WARM_UP = 20;
/** Milliseconds after which a worker has started, and compiled what it does when it is idle. */
const START_TIME = 3_000;
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
  await worker.start();
  await broker.join("default");
  console.log(JSON.stringify({ ran, first, last, cpu: cpu() - begun }));
}
process.exit(0);
