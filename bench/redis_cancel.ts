/**
 * Answers: what do cancellations cost, and how fast are they? The look at a message among 10,000
 * cancelled ids; the time from `cancel` to the signal of a running actor; and how fast a worker drops a
 * backlog that one `cancelAll` has cancelled.
 *
 *     deno run -A bench/redis_cancel.ts [backlog]
 *
 * @module
 */
import process from "node:process";
import { actor, Control, currentSignal, Message, RedisBroker, Worker } from "../mod.ts";
import { Cancellations } from "../core/cancellations.ts";
import { startOwnRedis } from "../tests/support/servers/redis.ts";
import { runtimeVersion } from "./measure.ts";

const BACKLOG = Number(process.argv[2] ?? 100_000);
const RECORDS = 10_000;
const SIGNALS = 300;
const BATCH = 10_000;

console.log(`${runtimeVersion()}\n`);
lookUp();
const redis = await startOwnRedis();
const broker = new RedisBroker({ url: redis.url });
const control = new Control(broker);
try {
  await signals();
  await dropBacklog();
} finally {
  await broker.close();
  await redis.stop();
}

/** The look at each message while many single ones are cancelled. */
function lookUp(): void {
  const cancellations = new Cancellations();
  for (let i = 0; i < RECORDS; i++) {
    const value = { reason: "bench", grace: 0 };
    cancellations.apply({ key: `cancel/id/${crypto.randomUUID()}`, value, version: i });
  }
  const messages = Array.from({ length: 1_000 }, () => {
    return new Message({ queueName: "default", actorName: "noop", args: [] });
  });
  let found = 0;
  let fastest = Infinity;
  for (let round = 0; round < 50; round++) {
    const start = performance.now();
    for (const message of messages) if (cancellations.find(message) !== undefined) found += 1;
    fastest = Math.min(fastest, performance.now() - start);
  }
  print(`look at a message, ${RECORDS} ids cancelled`, `${fastest.toFixed(2)} µs`, "0.3 µs");
  if (found > 0) throw new Error("It found what was not cancelled");
}

/** Milliseconds from the end of `cancel` until the signal of the actor fires. */
async function signals(): Promise<void> {
  let started = Promise.withResolvers<void>();
  let fired = Promise.withResolvers<number>();
  const wait = actor(async function wait() {
    const signal = currentSignal();
    const aborted = new Promise((resolve) => signal.addEventListener("abort", resolve));
    started.resolve();
    await aborted;
    fired.resolve(performance.now());
    signal.throwIfAborted();
  }, { broker });
  await using worker = new Worker(broker);
  await worker.start();
  const times: number[] = [];
  for (let i = 0; i < SIGNALS; i++) {
    started = Promise.withResolvers();
    fired = Promise.withResolvers();
    const message = await wait.send();
    await started.promise;
    await control.cancel(message);
    const cancelledAt = performance.now();
    times.push(await fired.promise - cancelledAt);
  }
  times.sort((a, b) => a - b);
  const p99 = times[Math.floor(SIGNALS * 0.99)]!;
  print("from cancel to the signal, 99 % within", `${p99.toFixed(1)} ms`, "100 ms");
}

/** Messages a second that a worker drops after one `cancelAll`. */
async function dropBacklog(): Promise<void> {
  let runs = 0;
  const noop = actor(function noop() {
    runs += 1;
  }, { broker, queueName: "backlog" });
  for (let i = 0; i < BACKLOG; i += BATCH) {
    await noop.sendMany(Array.from({ length: Math.min(BATCH, BACKLOG - i) }, () => []));
  }
  await control.cancelAll({ actor: noop, before: Date.now() + 1_000 });
  await using worker = new Worker(broker, { queues: ["backlog"] });
  const start = performance.now();
  await worker.start();
  await broker.join("backlog");
  const rate = BACKLOG / (performance.now() - start) * 1_000;
  print(`drop ${BACKLOG} of one cancelAll`, `${Math.round(rate)} a second`, "50000 a second");
  if (runs > 0) throw new Error(`${runs} cancelled messages ran`);
}

function print(what: string, measured: string, budget: string): void {
  console.log(`${what.padEnd(48)} ${measured.padStart(16)}   budget: ${budget}`);
}
