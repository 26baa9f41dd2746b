/**
 * A worker to be tortured. Notes each run before and after, and ends on SIGTERM.
 *
 * @module
 */
import process from "node:process";
import { setTimeout as delay } from "node:timers/promises";
import { actor, currentMessage, RedisBroker, Retry, Worker } from "../../mod.ts";
import { Journal } from "./journal.ts";
import { logToOutput } from "./output.ts";

/** What the program is told. */
export interface WorkerArguments {
  /** Where Redis is. */
  readonly url: string;
  /** The queue. */
  readonly queueName: string;
  /** Milliseconds after which others take over what a silent worker had. */
  readonly heartbeatTimeout: number;
  /** Messages at once. */
  readonly concurrency: number;
  /** The file to write to. */
  readonly journal: string;
}

const { url, queueName, heartbeatTimeout, concurrency, journal: path }: WorkerArguments = JSON
  .parse(process.argv[2]!);
await logToOutput();
const journal = new Journal(path);
const broker = new RedisBroker({ url, heartbeatTimeout });
let runs = 0;

actor(async function torture(number: number, failures: number, duration: number): Promise<void> {
  const message = currentMessage()!;
  const attempt = message.options.retries ?? 0;
  const delivery = message.options.redisMessageId ?? "";
  const run = runs++;
  journal.write({ kind: "begun", number, at: Date.now(), run, attempt, delivery });
  if (duration > 0) await delay(duration);
  const isFailing = attempt < failures;
  journal.write({ kind: isFailing ? "failed" : "done", number, at: Date.now(), run });
  if (isFailing) throw new Retry("It fails once, as it was told");
}, { broker, queueName, minBackoff: 50, maxBackoff: 500, maxRetries: 5 });

const worker = new Worker(broker, { concurrency });
const terminated = new Promise((resolve) => process.once("SIGTERM", resolve));
await worker.start();
journal.write({ kind: "ready", at: Date.now() });
await terminated;
await worker.stop();
await broker.close();
journal.write({ kind: "closed", at: Date.now() });
