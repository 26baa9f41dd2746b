import { deadLetterQueueName, delayQueueName } from "../../core/queue_names.ts";
import type { QueueSettings, QueueType } from "./options.ts";

/** What a queue is declared with. */
export type QueueArguments = Readonly<Record<string, unknown>>;

/** Makes a quorum queue let go of a message only when the next queue has it safe. */
const SAFE_DEAD_LETTERS: QueueArguments = {
  "x-dead-letter-strategy": "at-least-once",
  "x-overflow": "reject-publish",
};

/**
 * What a queue, its delay queue and its dead letter queue are declared with.
 *
 * Source: `tests/vectors/rabbitmq_broker.json`.
 *
 * @param canonical The queue.
 * @param settings What kind of queues.
 * @returns Names and arguments.
 */
export function declarationsOf(
  canonical: string,
  settings: QueueSettings,
): readonly (readonly [string, QueueArguments])[] {
  const { queueType, maxPriority, deliveryLimit, deadMessageTtl } = settings;
  const ofBoth: QueueArguments = {
    ...deadLettersTo(deadLetterQueueName(canonical), queueType),
    // Quorum queues know priorities by themselves, or not at all.
    ...(maxPriority !== undefined && queueType === "classic" && {
      "x-max-priority": int(maxPriority),
    }),
  };
  // What is delayed goes through many hands without anybody's failure: no limit there.
  const ofQueue = {
    ...ofBoth,
    ...(deliveryLimit !== undefined && { "x-delivery-limit": int(deliveryLimit) }),
  };
  const ofDeadLetters = { "x-message-ttl": int(deadMessageTtl), ...ofKind(queueType) };
  return [
    [canonical, ofQueue],
    [delayQueueName(canonical), ofBoth],
    [deadLetterQueueName(canonical), ofDeadLetters],
  ];
}

/** Has RabbitMQ put what expires or is refused on another queue. */
export function deadLettersTo(queueName: string, queueType: QueueType): QueueArguments {
  return {
    "x-dead-letter-exchange": "",
    "x-dead-letter-routing-key": queueName,
    ...ofKind(queueType),
    ...(queueType === "quorum" && SAFE_DEAD_LETTERS),
  };
}

/** Says of what kind a queue is, where Python says nothing. */
export function ofKind(queueType: QueueType): QueueArguments {
  return queueType === "quorum" ? { "x-queue-type": "quorum" } : {};
}

/** A number in the form that Python gives it; amqplib would take the shortest one. */
export function int(value: number): unknown {
  return { "!": value < 2 ** 31 ? "int" : "long", value };
}
