import type { QueueOverview } from "../../core/inspection.ts";
import {
  canonicalQueueName,
  deadLetterQueueName,
  delayQueueName,
  whatIsWrongWithQueueName,
} from "../../core/queue_names.ts";
import type { QueueTotals } from "./management_api.ts";
import { delayQueueOf, isNote, isRung } from "./rungs.ts";

/** Numbers that AMQP does not provide. */
export const UNKNOWN = {
  unacknowledged: undefined,
  headSince: undefined,
  consumers: undefined,
} as const;

/** Combines each queue with its delay queue and ladder in one entry, and omits queues of other programs. */
export function toOverviews(
  found: readonly QueueTotals[],
  declared: readonly string[],
): QueueOverview[] {
  const totals = new Map(found.map((one) => [one.name, one]));
  const names = new Set(declared);
  for (const { name } of found) {
    // A queue of this library has a delay queue, and a valid name.
    if (
      totals.has(delayQueueName(name)) && canonicalQueueName(name) === name &&
      whatIsWrongWithQueueName(name) === undefined
    ) names.add(name);
  }
  const ready = (name: string) => totals.get(name)?.messages_ready ?? 0;
  const onLadders = new Map<string, number>();
  for (const { name } of found) {
    if (!isRung(name) || isNote(name)) continue;
    const delayQueue = delayQueueOf(name);
    onLadders.set(delayQueue, (onLadders.get(delayQueue) ?? 0) + ready(name));
  }
  return [...names].toSorted().map((queueName) => {
    const delayQueue = delayQueueName(queueName);
    const later = totals.get(delayQueue)?.messages_unacknowledged ?? 0;
    return {
      ...UNKNOWN,
      queueName,
      ready: ready(queueName),
      delayed: ready(delayQueue) + later + (onLadders.get(delayQueue) ?? 0),
      unacknowledged: totals.get(queueName)?.messages_unacknowledged ?? 0,
      dead: ready(deadLetterQueueName(queueName)),
    };
  });
}
