/**
 * The worker of `bench/rabbitmq_delayed.ts`, a process of its own so that its memory can be told
 * from that of the rest. Writes lines of JSON: what it takes, ten times a second, and what
 * has run. Ends with its input.
 *
 * @module
 */
import process from "node:process";
import { actor, RabbitmqBroker, Worker } from "../../mod.ts";

/** A line of the worker's output. */
export type WorkerLine =
  /** The bytes that the process takes, by the system's count. */
  | { readonly kind: "memory"; readonly rss: number }
  /** A message that was due soon has begun to run, at that time in ms since the epoch. */
  | { readonly kind: "near"; readonly index: number; readonly at: number }
  /** One that was due in hours has run. */
  | { readonly kind: "far" };

const MEMORY_INTERVAL = 100;

const broker = new RabbitmqBroker({ url: process.argv[2]! });
const options = { broker, queueName: "delayed" };
actor((index: number): void => write({ kind: "near", index, at: Date.now() }), {
  ...options,
  actorName: "near",
});
actor((): void => write({ kind: "far" }), { ...options, actorName: "far" });
await new Worker(broker).start();
setInterval(() => write({ kind: "memory", rss: process.memoryUsage().rss }), MEMORY_INTERVAL);
process.stdin.on("end", () => process.exit()).resume();

function write(line: WorkerLine): void {
  process.stdout.write(`${JSON.stringify(line)}\n`);
}
