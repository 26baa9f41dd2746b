/**
 * A worker to be tortured. Notes each run before and after, and ends on SIGTERM.
 *
 * @module
 */
import process from "node:process";
import { setTimeout as delay } from "node:timers/promises";
import { actor, currentMessage, type MessageProxy, Retry, Worker } from "../../mod.ts";
import { systemClock } from "../../platform/clock.ts";
import { openBroker } from "./broker.ts";
import { Journal } from "./journal.ts";
import { logToOutput } from "./output.ts";
import type { BrokerArguments } from "./target.ts";

/** Arguments of the program. */
export interface WorkerArguments {
  /** Its broker. */
  readonly broker: BrokerArguments;
  /** The queue. */
  readonly queueName: string;
  /** Messages at once, by both workers of the process: 2 or more. */
  readonly concurrency: number;
  /** Milliseconds by which the clock of its machine is ahead. */
  readonly clockError: number;
  /** The file to write to. */
  readonly journal: string;
}

const told: WorkerArguments = JSON.parse(process.argv[2]!);
const { queueName, concurrency, clockError } = told;
await logToOutput();
const journal = new Journal(told.journal);
const clock = { ...systemClock, now: () => Date.now() + clockError };
const broker = openBroker(told.broker, clock);
const attemptOf = ({ options }: Pick<MessageProxy, "options">) => options.retries ?? 0;
let runs = 0;

broker.addMiddleware({
  beforeDelayMessage(_broker, message) {
    const number = message.args[0] as number;
    journal.write({ kind: "moving", number, at: Date.now(), attempt: attemptOf(message) });
  },
});

actor(async function torture(number: number, failures: number, duration: number): Promise<void> {
  const message = currentMessage()!;
  const attempt = attemptOf(message);
  // RabbitMQ gives none that stays the same.
  const delivery = message.options.redisMessageId ?? "";
  const run = runs++;
  journal.write({ kind: "begun", number, at: Date.now(), run, attempt, delivery });
  if (duration > 0) await delay(duration);
  const isFailing = attempt < failures;
  journal.write({ kind: isFailing ? "failed" : "done", number, at: Date.now(), run });
  if (isFailing) throw new Retry("It fails once, as it was told");
}, { broker, queueName, minBackoff: 50, maxBackoff: 500, maxRetries: 5 });

// Two on one broker object: what one holds must never come to the other.
const workers = [
  new Worker(broker, { concurrency: Math.ceil(concurrency / 2) }),
  new Worker(broker, { concurrency: Math.floor(concurrency / 2) }),
];
const terminated = new Promise((resolve) => process.once("SIGTERM", resolve));
await Promise.all(workers.map((worker) => worker.start()));
journal.write({ kind: "ready", at: Date.now() });
await terminated;
await Promise.all(workers.map((worker) => worker.stop()));
await broker.close();
journal.write({ kind: "closed", at: Date.now() });
