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
  const ready = (name: string) => countOf(totals.get(name), "messages_ready");
  const unacknowledged = (name: string) => countOf(totals.get(name), "messages_unacknowledged");
  const onLadders = new Map<string, number | undefined>();
  for (const { name } of found) {
    if (!isRung(name) || isNote(name)) continue;
    const delayQueue = delayQueueOf(name);
    const others = onLadders.has(delayQueue) ? onLadders.get(delayQueue) : 0;
    onLadders.set(delayQueue, sumOf(others, ready(name)));
  }
  return [...names].toSorted().map((queueName) => {
    const delayQueue = delayQueueName(queueName);
    const onLadder = onLadders.has(delayQueue) ? onLadders.get(delayQueue) : 0;
    return {
      ...UNKNOWN,
      queueName,
      ready: ready(queueName),
      delayed: sumOf(ready(delayQueue), unacknowledged(delayQueue), onLadder),
      unacknowledged: unacknowledged(queueName),
      dead: ready(deadLetterQueueName(queueName)),
    };
  });
}

type Total = "messages_ready" | "messages_unacknowledged";

/** A number of messages: 0 on a queue that does not exist, `undefined` on one that is unavailable. */
function countOf(queue: QueueTotals | undefined, total: Total): number | undefined {
  const count = queue?.[total];
  if (count !== undefined) return count;
  return queue?.state === undefined || queue.state === "running" ? 0 : undefined;
}

function sumOf(...counts: readonly (number | undefined)[]): number | undefined {
  let sum = 0;
  for (const count of counts) {
    if (count === undefined) return undefined;
    sum += count;
  }
  return sum;
}
