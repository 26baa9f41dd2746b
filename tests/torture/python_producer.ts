/**
 * A producer to be tortured that sends what Python's dramatiq was seen to send, without our code.
 *
 * @module
 */
import process from "node:process";
import { setTimeout as delay } from "node:timers/promises";
import { Journal } from "./journal.ts";
import type { ProducerArguments } from "./producer.ts";
import { connectPeer } from "./python/connect.ts";
import type { PythonMessage, PythonPeer } from "./python/peer.ts";
import { Random } from "./random.ts";

const SHORTEST_DELAY = 100;
const LONGEST_RUN = 25;
/** Milliseconds after which it connects again. */
const RECONNECT_DELAY = 250;

const told: ProducerArguments = JSON.parse(process.argv[2]!);
const { queueName } = told;
const journal = new Journal(told.journal);
const random = new Random(told.seed);
let number = told.first;
let sent = 0;
let peer: PythonPeer | undefined;

const start = performance.now();
while (sent < told.messages) {
  const from = Date.now();
  try {
    peer ??= await connectPeer(told.broker, queueName);
  } catch {
    await delay(RECONNECT_DELAY);
    continue;
  }
  try {
    await peer.enqueue(makeMessage(number));
    journal.write({ kind: "sent", number, from, at: Date.now() });
    sent++;
  } catch {
    journal.write({ kind: "rejected", number, from, at: Date.now(), error: "ConnectionFailed" });
    peer.abandon();
    peer = undefined;
  }
  number++;
  const due = start + sent / told.messages * told.seconds * 1_000;
  await delay(Math.max(0, due - performance.now()));
}
await peer?.close();
journal.write({ kind: "closed", at: Date.now() });
process.exit();

function makeMessage(number: number): PythonMessage {
  const isDelayed = random.chance(0.2);
  const eta = Date.now() + random.between(SHORTEST_DELAY, told.longestDelay);
  return {
    queue_name: isDelayed ? `${queueName}.DQ` : queueName,
    actor_name: "torture",
    args: [number, random.chance(0.1) ? 1 : 0, random.between(0, LONGEST_RUN)],
    kwargs: {},
    options: isDelayed ? { eta } : {},
    message_id: crypto.randomUUID(),
    message_timestamp: Date.now(),
  };
}
