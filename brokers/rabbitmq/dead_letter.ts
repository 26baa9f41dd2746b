import type { Encoded } from "../../core/encoder.ts";
import { deadLetterQueueName } from "../../core/queue_names.ts";
import type { RabbitmqDelivery } from "./delivery.ts";
import { fieldTable } from "./field_table.ts";

/**
 * The headers that RabbitMQ gives a message that is refused, for tools that look at them.
 *
 * Source: scenario `nack` in `tests/vectors/rabbitmq_broker.json`.
 *
 * @param queueName The queue that it came from.
 * @param now Milliseconds since the epoch.
 */
export function deadLetterHeaders(queueName: string, now: number): Uint8Array {
  return fieldTable({
    "x-death": [{
      count: 1,
      reason: "rejected",
      queue: queueName,
      time: new Date(now),
      exchange: "",
      "routing-keys": [queueName],
    }],
    "x-first-death-exchange": "",
    "x-first-death-queue": queueName,
    "x-first-death-reason": "rejected",
  });
}

/** What is to be published of a message that failed: where, what, and with which properties. */
export function deadLetterOf(
  queueName: string,
  delivery: RabbitmqDelivery,
  headers: Uint8Array,
): [string, Encoded, number | undefined, Uint8Array] {
  const { deadLetter, delivered, raw } = delivery;
  const body = deadLetter === delivered ? raw.content : deadLetter.encode();
  return [deadLetterQueueName(queueName), body, raw.properties.priority, headers];
}
