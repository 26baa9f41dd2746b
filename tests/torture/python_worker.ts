/**
 * A worker to be tortured that does what Python's dramatiq was seen to do, without our code. Notes
 * each run before and after, and ends on SIGTERM.
 *
 * @module
 */
import process from "node:process";
import { setTimeout as delay } from "node:timers/promises";
import { Journal } from "./journal.ts";
import { connectPeer } from "./python/connect.ts";
import { copyTo, type PythonDelivery, type PythonMessage, type PythonPeer } from "./python/peer.ts";
import type { WorkerArguments } from "./worker.ts";

/** Delayed messages that it holds. */
const DELAY_PREFETCH = 1_000;
/** Milliseconds after which it connects again. */
const RECONNECT_DELAY = 250;
const LONGEST_BACKOFF = 500;

const told: WorkerArguments = JSON.parse(process.argv[2]!);
const { queueName, concurrency } = told;
const delayQueueName = `${queueName}.DQ`;
const journal = new Journal(told.journal);
const running = new Set<Promise<void>>();
let runs = 0;
let isEnding = false;
let peer: PythonPeer | undefined;

process.once("SIGTERM", () => {
  isEnding = true;
  void end();
});
while (!isEnding) {
  try {
    peer = await connectPeer(told.broker, queueName);
    if (runs === 0) journal.write({ kind: "ready", at: Date.now() });
    await work(peer);
  } catch {
    peer?.abandon();
    await delay(RECONNECT_DELAY);
  }
}

/** Works until the peer fails. */
async function work(peer: PythonPeer): Promise<void> {
  const failed = Promise.withResolvers<never>();
  const begin = (handle: (peer: PythonPeer, delivery: PythonDelivery) => Promise<void>) => {
    return (delivery: PythonDelivery) => {
      const handled = handle(peer, delivery).catch(failed.reject)
        .finally(() => running.delete(handled));
      running.add(handled);
    };
  };
  await Promise.race([
    peer.consume(queueName, concurrency, begin(run)),
    peer.consume(delayQueueName, DELAY_PREFETCH, begin(promote)),
    failed.promise,
  ]);
}

async function run(peer: PythonPeer, { message, ack }: PythonDelivery): Promise<void> {
  if (isEnding) return;
  const [number, failures, duration] = message.args as [number, number, number];
  const attempt = attemptOf(message);
  const delivery = `${message.options["redis_message_id"] ?? ""}`;
  const run = runs++;
  journal.write({ kind: "begun", number, at: Date.now(), run, attempt, delivery });
  await delay(duration);
  const isFailing = attempt < failures;
  journal.write({ kind: isFailing ? "failed" : "done", number, at: Date.now(), run });
  if (isFailing) {
    const options = { ...message.options, retries: attempt + 1, traceback: "It failed" };
    const eta = Date.now() + Math.random() * LONGEST_BACKOFF;
    await peer.enqueue(copyTo(message, delayQueueName, { ...options, eta: Math.round(eta) }));
  }
  await ack();
}

/** Puts a delayed message on its queue when it is due. */
async function promote(peer: PythonPeer, { message, ack }: PythonDelivery): Promise<void> {
  const { eta, ...options } = message.options;
  await delay(Math.max(0, Number(eta) - Date.now()));
  if (isEnding) return;
  const number = message.args[0] as number;
  journal.write({ kind: "moving", number, at: Date.now(), attempt: attemptOf(message) });
  await peer.enqueue(copyTo(message, queueName, options));
  await ack();
}

function attemptOf({ options }: PythonMessage): number {
  return Number(options["retries"] ?? 0);
}

async function end(): Promise<void> {
  await Promise.allSettled(running);
  await peer?.close().catch(() => {});
  journal.write({ kind: "closed", at: Date.now() });
  process.exit();
}
