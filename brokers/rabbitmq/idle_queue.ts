import { canonicalQueueName, delayQueueName } from "../../core/queue_names.ts";
import { consumersOf, sumOfReturned } from "./consumer_registry.ts";

/** A queue whose end is waited for. */
export interface CheckedQueue {
  /** Name of the server that it is on, which may change. */
  server(): string;
  readonly queueName: string;
  /** Counts its messages. */
  count(): Promise<{ readonly ready: number; readonly delayed: number }>;
}

/**
 * Checks whether nothing is on a queue, nor in the hands of this process.
 *
 * @param queue The queue.
 * @param last How many messages had been given back at the last check. RabbitMQ may count
 *   before it takes those back, so there must be none between two checks.
 */
export async function isIdle(
  { server, queueName, count }: CheckedQueue,
  last: { returned: number },
): Promise<boolean> {
  const names = [canonicalQueueName(queueName), delayQueueName(queueName)];
  const consumers = consumersOf(server(), names);
  const returned = sumOfReturned(consumers);
  const before = await count();
  const isQuiet = returned === last.returned;
  last.returned = returned;
  if (before.ready + before.delayed > 0) return false;
  // What RabbitMQ has sent may be on its way to them.
  await Promise.all(consumers.map((consumer) => consumer.caughtUp().catch(() => {})));
  if (consumers.some(({ inFlight }) => inFlight > 0)) return false;
  // What one of them had may have led to another message, stored before the first was settled.
  const after = await count();
  const present = consumersOf(server(), names);
  return after.ready + after.delayed === 0 && isQuiet && sumOfReturned(present) === returned &&
    present.length === consumers.length &&
    present.every((one) => one.inFlight === 0 && consumers.includes(one));
}
