import { deadLetterQueueName, delayQueueName } from "../../core/queue_names.ts";
import type { QueueSettings, QueueType } from "./options.ts";

/**
 * Number of times a delayed message or a dead letter may come back to its quorum queue. RabbitMQ 4
 * allows 20 by default, which a few looks at the dead letters reach, and what has no dead letter
 * queue is dropped then. Not -1: that means "never" to RabbitMQ 3.10, and "any number" to 4.
 */
const HIGHEST_DELIVERY_LIMIT = 1_000_000;

/** Arguments of a queue declaration. */
export type QueueArguments = Readonly<Record<string, unknown>>;

/** The argument by which RabbitMQ knows how often it may deliver a message of a quorum queue. */
export const DELIVERY_LIMIT = "x-delivery-limit";

/** Makes a quorum queue let go of a message only when the next queue has it safe. */
const SAFE_DEAD_LETTERS: QueueArguments = {
  "x-dead-letter-strategy": "at-least-once",
  "x-overflow": "reject-publish",
};

/**
 * Arguments of a queue, its delay queue and its dead letter queue.
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
  // What is delayed goes through many hands without anybody's failure, and dead letters do so
  // whenever they are looked at.
  const unlimited = queueType === "quorum" ? deliveryLimitOf(HIGHEST_DELIVERY_LIMIT) : {};
  return [
    [canonical, { ...ofBoth, ...deliveryLimitOf(deliveryLimit) }],
    [delayQueueName(canonical), { ...ofBoth, ...unlimited }],
    [deadLetterQueueName(canonical), {
      "x-message-ttl": int(deadMessageTtl),
      ...ofKind(queueType),
      ...unlimited,
    }],
  ];
}

/** The same arguments with the delivery limit that a queue has been found with. */
export function withDeliveryLimit(
  { [DELIVERY_LIMIT]: _wanted, ...others }: QueueArguments,
  limit: number | undefined,
): QueueArguments {
  return { ...others, ...deliveryLimitOf(limit) };
}

function deliveryLimitOf(limit: number | undefined): QueueArguments {
  return limit === undefined ? {} : { [DELIVERY_LIMIT]: int(limit) };
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

/** True if quorum queues can expire what they hold, and move it on at least once: since 3.10. */
export function hasQuorumTtl([major, minor]: readonly [number, number]): boolean {
  return major > 3 || (major === 3 && minor >= 10);
}

/** Says of what kind a queue is, where Python says nothing. */
export function ofKind(queueType: QueueType): QueueArguments {
  return queueType === "quorum" ? { "x-queue-type": "quorum" } : {};
}

/** A number in the form that Python gives it; amqplib would take the shortest one. */
export function int(value: number): unknown {
  return { "!": value < 2 ** 31 ? "int" : "long", value };
}
