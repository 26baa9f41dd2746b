import { canonicalQueueName, delayQueueName } from "../../core/queue_names.ts";
import { consumersOf, sumOfReturned } from "./consumer_registry.ts";

/** A queue to check. */
export interface CheckedQueue {
  /** Name of its server, which may change. */
  server(): string;
  readonly queueName: string;
  /** Counts its messages. */
  count(): Promise<{ readonly ready: number; readonly delayed: number }>;
}

/**
 * Checks whether a queue is empty, and no consumer of this process has messages of it in flight.
 *
 * @param queue The queue.
 * @param last Number of requeued messages at the last check. RabbitMQ may count before it has requeued
 *   them, so that there must be none between two checks.
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
  // Messages that RabbitMQ has sent may not have arrived.
  await Promise.all(consumers.map((consumer) => consumer.caughtUp().catch(() => {})));
  if (consumers.some(({ inFlight }) => inFlight > 0)) return false;
  // A message that was settled meanwhile may have enqueued another one before.
  const after = await count();
  const present = consumersOf(server(), names);
  return after.ready + after.delayed === 0 && isQuiet && sumOfReturned(present) === returned &&
    present.length === consumers.length &&
    present.every((one) => one.inFlight === 0 && consumers.includes(one));
}
