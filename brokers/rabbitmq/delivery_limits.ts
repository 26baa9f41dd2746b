import { getLogger } from "../../platform/logging.ts";
import type { Channel } from "./client.ts";
import { DELIVERY_LIMIT, type QueueArguments, withDeliveryLimit } from "./queue_arguments.ts";
import { mismatchOf, missingQueueOf } from "./errors.ts";

const log = /* @__PURE__ */ getLogger("rabbitmq");

/**
 * Quorum queues that exist with another delivery limit than the broker would declare.
 *
 * Such a queue works, RabbitMQ cannot change its limit, and versions of this library differ in it. So
 * the queue is used as it is, and one warning is logged.
 */
export class DeliveryLimits {
  readonly #found: Map<string, number | undefined> = new Map();
  readonly #warnedOf: Set<string> = new Set();

  /**
   * Declares a queue, with its existing delivery limit if that is known to differ.
   *
   * @param channel The channel, inside of `RabbitmqConnection.control`.
   * @param queueName The queue.
   * @param wanted Arguments of the queue.
   * @returns Number of ready messages.
   */
  async declare(channel: Channel, queueName: string, wanted: QueueArguments): Promise<number> {
    let args = wanted;
    if (this.#found.has(queueName)) {
      await channel.checkQueue(queueName); // fails if it was deleted: then the wanted limit applies
      args = withDeliveryLimit(wanted, this.#found.get(queueName));
    }
    return (await channel.assertQueue(queueName, { durable: true, arguments: args })).messageCount;
  }

  /**
   * Notes the existing limit of a queue, or that the queue is gone, if that is why a declaration failed.
   *
   * @param error The error of the declaration.
   * @returns True if it was, so that the declaration can be repeated.
   */
  learnFrom(error: unknown): boolean {
    const missing = missingQueueOf(error);
    if (missing !== undefined) return this.#found.delete(missing);
    const mismatch = mismatchOf(error);
    if (mismatch?.argument !== DELIVERY_LIMIT) return false;
    const { queueName, wanted, found } = mismatch;
    const limit = toLimit(found);
    if (toLimit(wanted) === limit) return false; // repeating it would not help
    this.#found.set(queueName, limit);
    if (this.#warnedOf.has(queueName)) return true;
    this.#warnedOf.add(queueName);
    log.warn(
      "Queue {queue} exists with x-delivery-limit {found} instead of {wanted} and is used as it " +
        "is; to have it declared anew, delete it when it is empty",
      { queue: queueName, found, wanted },
    );
    return true;
  }
}

/** Parses the value of the argument in RabbitMQ's error text, which is "none" without a limit. */
function toLimit(text: string): number | undefined {
  return /^-?\d+$/.test(text) ? Number(text) : undefined;
}
