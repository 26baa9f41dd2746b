/**
 * Do a million delayed messages slow down or swell a worker?
 *
 * Sends messages that are due in one to six hours, and a thousand that are due within a
 * minute, to a worker in a process of its own, which has to put all of them in order. Twice:
 * with a worker that works while they are sent, the due ones evenly among them, and as many due
 * ones again when all are sorted; and with a worker that starts when all the far ones lie there
 * unsorted, the due ones sent from then on.
 *
 *     deno run -A bench/redis_delayed.ts [--later 1000000] [--due 1000] [--within 60000]
 *     bun run bench/redis_delayed.ts
 *     node bench/redis_delayed.ts
 *
 * `--arrangement steady` or `cold` does one of them only; with `--rate 10000` the worker that works
 * is sent no more than that in a second, instead of all that one process can send.
 *
 * Lateness is from the eta to the first line of the actor; beside it stand timers for the same
 * times in a process that does nothing else, which the machine makes late, too. Memory is that of
 * the worker's process by the system's count (RSS), above what it was when the worker had sorted
 * and run some thousand messages and then nothing; garbage is collected before that and at the
 * end, not in between.
 *
 * @module
 */
import process from "node:process";
import { setTimeout as delay } from "node:timers/promises";
import { parseArgs } from "node:util";
import { RedisBroker } from "../mod.ts";
import { type RedisServer, startOwnRedis } from "../tests/support/servers/redis.ts";
import { runtimeVersion } from "./measure.ts";
import { DelayedQueue, type Sorting, usedMemory } from "./redis_delayed/delayed_queue.ts";
import { DelayedSender, type Load } from "./redis_delayed/sender.ts";
import { type Memory, WorkerProcess } from "./redis_delayed/worker_process.ts";

type Arrangement = "steady" | "cold";

/** When the actor of a message that was due began. */
type Start = readonly [index: number, at: number];

/** Participants. */
interface Setup {
  readonly worker: WorkerProcess;
  /** Does nothing but set a timer for each message that is due, to see how late those are. */
  readonly idler: WorkerProcess;
  readonly queue: DelayedQueue;
  readonly sender: DelayedSender;
}

/** Memory that the worker takes when it has worked a little. */
interface Warm {
  readonly idle: Memory;
  readonly peak: Memory;
}

/** Milliseconds. */
const LATENESS_BUDGET = 50;
/** Megabytes. */
const MEMORY_BUDGET = 50;
const WARM_UP: Load = { later: 20_000, due: 2_000, within: 1_000, rate: Infinity };
/** Milliseconds that a worker which is done stands idle before its memory is taken. */
const REST = 2_000;
/** Milliseconds after the last eta at which what has not run is given up. */
const TIMEOUT = 60_000;

const { load, arrangements } = readOptions();
const { later, due, within } = load;
console.log(
  `${runtimeVersion()}, ${later} messages due in 1 to 6 h, ${due} due within ${within / 1_000} s`,
);
for (const arrangement of arrangements) await run(arrangement);

async function run(arrangement: Arrangement): Promise<void> {
  await using redis = await startOwnRedis();
  await using worker = new WorkerProcess(redis.url);
  await using idler = new WorkerProcess(redis.url);
  await using broker = new RedisBroker({ url: redis.url });
  const setup: Setup = {
    worker,
    idler,
    queue: new DelayedQueue(redis, broker.namespace),
    sender: new DelayedSender(broker, (index, eta) => idler.expect(index, eta)),
  };
  const { queue, sender } = setup;
  const warm = await warmUp(redis, worker);
  const emptyRedis = await usedMemory(redis);
  await (arrangement === "steady" ? sendToWorker(setup) : startWorkerOnBacklog(setup));
  row("Redis took, MB", megabytes(await usedMemory(redis) - emptyRedis));

  const ran = await worker.report();
  const { peak } = worker;
  await worker.clean();
  await delay(REST);
  reportMemory(warm, peak, worker.memory);
  check("the due ones ran exactly once", isComplete(sender.etas, ran.due));
  check("no other ran", ran.later === 0);
  const left = [await queue.sorted(), await queue.delayed(), await queue.unsorted()];
  check("the others are there, sorted", left.join() === `${later},${later},0`);
}

/** The worker works when the first message is sent. */
async function sendToWorker(setup: Setup): Promise<void> {
  const { worker, sender, queue } = setup;
  console.log("\nthe worker works while all are sent");
  await worker.work("dramatiq");
  let isSent = false;
  const sorting = queue.watchSorting(later, () => isSent);
  const start = Date.now();
  await sender.send(load);
  isSent = true;
  const duration = Date.now() - start;
  row("sending took, s", seconds(duration));
  row("sent in a second", Math.round((later + due) / duration * 1_000));
  reportSorting(start, await sorting);
  await reportLateness(setup, 0, "sent among the others");
  await sender.send({ ...load, later: 0, rate: Infinity });
  await reportLateness(setup, due, "sent when the others were sorted");
}

/** The worker starts when all but the due ones have been sent; these are sent at once. */
async function startWorkerOnBacklog(setup: Setup): Promise<void> {
  const { worker, sender, queue } = setup;
  console.log("\nthe worker starts when all but the due ones are there, unsorted");
  const start = Date.now();
  await sender.send({ ...load, due: 0, rate: Infinity });
  const startedAt = Date.now();
  row("sending took, s", seconds(startedAt - start));
  await worker.work("dramatiq");
  const sorting = queue.watchSorting(later, () => true);
  await sender.send({ ...load, later: 0, rate: Infinity });
  const sorted = await sorting;
  reportSorting(startedAt, sorted);
  await reportLateness(setup, 0, "sent after the start", sorted.sortedAt);
}

/** Lets the worker sort and run, then nothing. */
async function warmUp(redis: RedisServer, worker: WorkerProcess): Promise<Warm> {
  await using broker = new RedisBroker({ url: redis.url, namespace: "warm-up" });
  await worker.work("warm-up");
  await new DelayedSender(broker).send(WARM_UP);
  const queue = new DelayedQueue(redis, "warm-up");
  await queue.watchRunning(WARM_UP.later, Date.now() + TIMEOUT);
  await worker.idle();
  await broker.flushAll();
  const { peak } = worker;
  await worker.clean();
  await delay(REST);
  worker.forgetPeak();
  return { idle: worker.memory, peak };
}

function reportSorting(start: number, { sortedAt, mostUnsorted }: Sorting): void {
  row("all sorted after, s", seconds(sortedAt - start));
  row("most that lay unsorted", mostUnsorted);
}

/** Waits until the due ones from `first` on have run, and says how late they were. */
async function reportLateness(
  { worker, idler, queue, sender: { etas } }: Setup,
  first: number,
  which: string,
  sortedAt?: number,
): Promise<void> {
  const lastEta = etas.reduce((a, b) => Math.max(a, b), 0);
  await delay(Math.max(lastEta - Date.now(), 0));
  await queue.watchRunning(later, lastEta + TIMEOUT);
  const ran = (await worker.report()).due.filter(([index]) => index >= first);
  const timers = (await idler.report()).due.filter(([index]) => index >= first);
  const all = lateness(etas, ran);
  describe(`late, of those ${which}`, all);
  if (sortedAt !== undefined) {
    const isEarly = ([index]: Start) => etas[index]! < sortedAt;
    describe("  of those due before all was sorted", lateness(etas, ran.filter(isEarly)));
  }
  describe("  beside it: timers of a process that does nothing else", lateness(etas, timers));
  budget("late, p99, ms", quantile(all, 0.99), LATENESS_BUDGET);
}

/** Lateness of each, from the least to the most. */
function lateness(etas: readonly number[], starts: readonly Start[]): number[] {
  return starts.map(([index, at]) => at - etas[index]!).toSorted((a, b) => a - b);
}

function describe(name: string, sorted: readonly number[]): void {
  if (sorted.length === 0) return;
  const [p50, p99, max] = [0.5, 0.99, 1].map((share) => quantile(sorted, share));
  row(name, `${sorted.length}: p50 ${p50} ms, p99 ${p99} ms, max ${max} ms`);
}

function quantile(sorted: readonly number[], share: number): number {
  return sorted[Math.max(Math.ceil(sorted.length * share) - 1, 0)] ?? NaN;
}

function reportMemory({ idle, peak: warmPeak }: Warm, peak: Memory, end: Memory): void {
  const growth = (now: Memory) =>
    `${megabytes(now.rss - idle.rss)} (heap ${megabytes(now.heap - idle.heap)})`;
  row("worker, idle, MB", `${megabytes(idle.rss)} (heap ${megabytes(idle.heap)})`);
  row(`worker's growth while it sorted ${WARM_UP.later}, MB`, growth(warmPeak));
  row(`worker's growth while it sorted ${later}, MB`, growth(peak));
  row("worker's growth in the end, garbage collected, MB", growth(end));
  budget("growth of the worker, MB", (peak.rss - idle.rss) / 2 ** 20, MEMORY_BUDGET);
}

function isComplete(etas: readonly number[], ran: readonly Start[]): boolean {
  const indices = ran.map(([index]) => index).toSorted((a, b) => a - b);
  return indices.length === etas.length && indices.every((index, i) => index === i);
}

function row(name: string, value: string | number): void {
  console.log(`${name.padEnd(60)}${value}`);
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
      rate: text("Infinity"),
      arrangement: text("both"),
    },
  });
  const load = {
    later: Number(values.later),
    due: Number(values.due),
    within: Number(values.within),
    rate: Number(values.rate),
  };
  const known: Arrangement[] = ["steady", "cold"];
  const arrangements = known.filter((one) => [one, "both"].includes(values.arrangement));
  return { load, arrangements };
}
