/**
 * Do a million delayed messages slow down or swell a worker?
 *
 * Sends messages that are due in one to six hours, and a thousand that are due within a
 * minute, to a worker in a process of its own, which has to put all of them in order. Twice:
 * with a worker that works while they are sent, the due ones evenly among them; and with a
 * worker that starts when all the far ones lie there unsorted, the due ones sent from then on.
 *
 *     deno run -A bench/redis_delayed.ts [--later 1000000] [--due 1000] [--within 60000]
 *     bun run bench/redis_delayed.ts
 *     node bench/redis_delayed.ts
 *
 * `--arrangement steady` or `cold` does one of them only. Lateness is from the eta to the
 * first line of the actor. Memory is that of the worker's process by the system's count
 * (RSS), above what it was when the worker had sorted and run some thousand messages and then
 * nothing; garbage is collected before that and at the end, and not in between.
 *
 * @module
 */
import process from "node:process";
import { setTimeout as delay } from "node:timers/promises";
import { parseArgs } from "node:util";
import { RedisBroker } from "../mod.ts";
import { type RedisServer, startOwnRedis } from "../tests/support/servers/redis.ts";
import { runtimeVersion } from "./measure.ts";
import { DelayedQueue, usedMemory } from "./redis_delayed/delayed_queue.ts";
import { DelayedSender, type Load } from "./redis_delayed/sender.ts";
import { type Memory, WorkerProcess } from "./redis_delayed/worker_process.ts";

type Arrangement = "steady" | "cold";

/** Milliseconds. */
const LATENESS_BUDGET = 50;
/** Megabytes. */
const MEMORY_BUDGET = 50;
const WARM_UP: Load = { later: 20_000, due: 2_000, within: 1_000 };
/** Milliseconds that a worker which is done stands idle before its memory is taken. */
const REST = 2_000;
/** Milliseconds after the last eta at which what has not run is given up. */
const PATIENCE = 60_000;

const { load, arrangements } = readOptions();
const { later, due, within } = load;
console.log(
  `${runtimeVersion()}, ${later} messages due in 1 to 6 h, ${due} due within ${within / 1_000} s`,
);
for (const arrangement of arrangements) await run(arrangement);

async function run(arrangement: Arrangement): Promise<void> {
  await using redis = await startOwnRedis();
  await using worker = new WorkerProcess(redis.url);
  await using broker = new RedisBroker({ url: redis.url });
  const queue = new DelayedQueue(redis, broker.namespace);
  const sender = new DelayedSender(broker);
  const baseline = await warmUp(redis, worker);
  const emptyRedis = await usedMemory(redis);

  const arrange = arrangement === "steady" ? sendToWorker : startWorkerOnBacklog;
  const { startedAt, sorting } = await arrange(worker, sender, queue);
  const { sortedAt, mostUnsorted } = await sorting;
  const lastEta = sender.etas.reduce((a, b) => Math.max(a, b), 0);
  row("all sorted after, s", seconds(sortedAt - startedAt));
  row("most that lay unsorted", mostUnsorted);
  row("Redis took, MB", megabytes(await usedMemory(redis) - emptyRedis));

  await delay(Math.max(lastEta - Date.now(), 0));
  await queue.watchRunning(later, lastEta + PATIENCE);
  const ran = await worker.report();
  const { peak } = worker;
  await worker.clean();
  await delay(REST);
  reportLateness(sender.etas, ran.due, sortedAt);
  reportMemory(baseline, peak, worker.memory);
  check("the due ones ran exactly once", isPermutation(ran.due.map(([index]) => index)));
  check("no other ran", ran.later === 0);
  const left = [await queue.sorted(), await queue.delayed(), await queue.unsorted()];
  check("the others are there, sorted", left.join() === `${later},${later},0`);
}

/** The worker works when the first message is sent. */
async function sendToWorker(worker: WorkerProcess, sender: DelayedSender, queue: DelayedQueue) {
  console.log("\nthe worker works while all are sent, the due ones evenly among them");
  await worker.work("dramatiq");
  let isSent = false;
  const sorting = queue.watchSorting(later, () => isSent);
  const start = Date.now();
  await sender.send(load);
  isSent = true;
  row("sending took, s", seconds(Date.now() - start));
  return { startedAt: start, sorting };
}

/** The worker starts when all but the due ones have been sent; these are sent at once. */
async function startWorkerOnBacklog(
  worker: WorkerProcess,
  sender: DelayedSender,
  queue: DelayedQueue,
) {
  console.log("\nthe worker starts with the far ones unsorted; the due ones are sent then");
  const start = Date.now();
  await sender.send({ ...load, due: 0 });
  const startedAt = Date.now();
  row("sending took, s", seconds(startedAt - start));
  await worker.work("dramatiq");
  const sorting = queue.watchSorting(later, () => true);
  await sender.send({ ...load, later: 0 });
  return { startedAt, sorting };
}

/** Lets the worker sort and run, then nothing. */
async function warmUp(redis: RedisServer, worker: WorkerProcess): Promise<Memory> {
  await using broker = new RedisBroker({ url: redis.url, namespace: "warm-up" });
  await worker.work("warm-up");
  await new DelayedSender(broker).send(WARM_UP);
  const queue = new DelayedQueue(redis, "warm-up");
  await queue.watchRunning(WARM_UP.later, Date.now() + PATIENCE);
  await worker.idle();
  await broker.flushAll();
  await worker.clean();
  await delay(REST);
  worker.forgetPeak();
  return worker.memory;
}

function reportLateness(
  etas: readonly number[],
  ran: readonly [index: number, at: number][],
  sortedAt: number,
): void {
  const lateness = (isCounted: (at: number) => boolean) =>
    ran.filter(([index]) => isCounted(etas[index]!)).map(([index, at]) => at - etas[index]!)
      .toSorted((a, b) => a - b);
  const all = lateness(() => true);
  describe("late, of all", all);
  describe("late, of those due before all was sorted", lateness((eta) => eta < sortedAt));
  describe("late, of those due after", lateness((eta) => eta >= sortedAt));
  budget("late, p99, ms", quantile(all, 0.99), LATENESS_BUDGET);
}

function describe(name: string, sorted: readonly number[]): void {
  if (sorted.length === 0) return;
  const [p50, p99, max] = [0.5, 0.99, 1].map((share) => quantile(sorted, share));
  row(`${name}: ${sorted.length}`, `p50 ${p50} ms, p99 ${p99} ms, max ${max} ms`);
}

function quantile(sorted: readonly number[], share: number): number {
  return sorted[Math.max(Math.ceil(sorted.length * share) - 1, 0)] ?? NaN;
}

function reportMemory(baseline: Memory, peak: Memory, end: Memory): void {
  const growth = (now: Memory) =>
    `${megabytes(now.rss - baseline.rss)} (heap ${megabytes(now.heap - baseline.heap)})`;
  row("worker before, MB", `${megabytes(baseline.rss)} (heap ${megabytes(baseline.heap)})`);
  row("worker's growth at its peak, MB", growth(peak));
  row("worker's growth at the end, garbage collected, MB", growth(end));
  budget("worker's growth at its peak, MB", (peak.rss - baseline.rss) / 2 ** 20, MEMORY_BUDGET);
}

function isPermutation(indices: readonly number[]): boolean {
  return indices.length === due && indices.toSorted((a, b) => a - b).every((one, i) => one === i);
}

function row(name: string, value: string | number): void {
  console.log(`${name.padEnd(52)}${value}`);
}

function budget(name: string, value: number, limit: number): void {
  const verdict = value <= limit ? "kept" : "MISSED";
  row(`budget: ${name}`, `${value.toFixed(1)} of ${limit}: ${verdict}`);
}

function check(name: string, isTrue: boolean): void {
  row(name, isTrue ? "yes" : "NO");
  if (!isTrue) process.exitCode = 1;
}

function seconds(ms: number): string {
  return (ms / 1_000).toFixed(1);
}

function megabytes(bytes: number): string {
  return (bytes / 2 ** 20).toFixed(1);
}

function readOptions(): { load: Load; arrangements: Arrangement[] } {
  const text = (value: string) => ({ type: "string", default: value }) as const;
  const { values } = parseArgs({
    options: {
      later: text("1000000"),
      due: text("1000"),
      within: text("60000"),
      arrangement: text("both"),
    },
  });
  const load = {
    later: Number(values.later),
    due: Number(values.due),
    within: Number(values.within),
  };
  const known: Arrangement[] = ["steady", "cold"];
  const arrangements = known.filter((one) => [one, "both"].includes(values.arrangement));
  return { load, arrangements };
}
