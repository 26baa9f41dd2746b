import type { Buffer } from "node:buffer";
import { delayQueueName } from "../../core/queue_names.ts";
import { POSTPONE } from "./delayed_scripts.ts";
import type { RedisDelivery } from "./delivery.ts";
import type { SourceOptions } from "./fetch_source.ts";
import type { RedisSession } from "./session.ts";

/**
 * Delays fetched messages that are not due: a message on an ordinary queue may have an eta, too, as in
 * Python.
 *
 * @param options The consumer.
 * @param deliveries Messages of the queue, some of them with an eta.
 * @returns Those that are due.
 */
export async function postponeEarly(
  { session, queueName, run }: SourceOptions,
  deliveries: readonly RedisDelivery[],
): Promise<RedisDelivery[]> {
  const { messages, unacknowledged, etas, delayed } = session.keys.of(queueName);
  const withEta = deliveries.filter(hasEta);
  const args = withEta.flatMap((message) => [`${message.option("eta")}`, message.id]);
  const reply = await run(POSTPONE, [unacknowledged, messages, etas, delayed], args);
  const due = new Set((reply as Buffer[]).map(String));
  if (due.size < withEta.length) wakeDelayConsumers(session, queueName);
  return deliveries.filter((message) => !hasEta(message) || due.has(message.id));
}

/** True if a message has an eta. */
export function hasEta(message: RedisDelivery): boolean {
  const eta = message.option("eta");
  return typeof eta === "number" && eta > 0;
}

function wakeDelayConsumers({ queues }: RedisSession, queueName: string): void {
  const queue = queues.get(delayQueueName(queueName));
  for (const consumer of queue?.consumers ?? []) consumer.wakeUp();
}
