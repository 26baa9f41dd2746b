import { getLogger } from "../../platform/logging.ts";
import type { Channel } from "./client.ts";
import { DELIVERY_LIMIT, type QueueArguments, withDeliveryLimit } from "./queue_arguments.ts";
import { mismatchOf, missingQueueOf } from "./errors.ts";

const log = /* @__PURE__ */ getLogger("rabbitmq");

/**
 * The delivery limits of the quorum queues of a broker that exist with another one than it
 * would give them.
 *
 * Such a queue works all the same, RabbitMQ cannot change its limit, and versions of this
 * library differ in it. So it is used as it is, with one warning.
 */
export class DeliveryLimits {
  readonly #found: Map<string, number | undefined> = new Map();
  readonly #warnedOf: Set<string> = new Set();

  /**
   * Declares a queue with what it is to have, or, as far as its limit goes, has.
   *
   * @param channel Where to declare it, inside of `RabbitmqConnection.control`.
   * @param queueName The queue.
   * @param wanted What it is to have.
   * @returns How many messages are ready on it.
   */
  async declare(channel: Channel, queueName: string, wanted: QueueArguments): Promise<number> {
    let args = wanted;
    if (this.#found.has(queueName)) {
      await channel.checkQueue(queueName); // one that is gone is to have the limit wanted
      args = withDeliveryLimit(wanted, this.#found.get(queueName));
    }
    return (await channel.assertQueue(queueName, { durable: true, arguments: args })).messageCount;
  }

  /**
   * Notes the limit that a queue has, or that it is gone, if that is why it could not be declared.
   *
   * @param error Why it could not.
   * @returns Whether it was: then it can be declared now.
   */
  learnFrom(error: unknown): boolean {
    const missing = missingQueueOf(error);
    if (missing !== undefined) return this.#found.delete(missing);
    const mismatch = mismatchOf(error);
    if (mismatch?.argument !== DELIVERY_LIMIT) return false;
    const { queueName, wanted, found } = mismatch;
    const limit = toLimit(found);
    if (toLimit(wanted) === limit) return false; // not what it looks like
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

/** Parses the value of the argument in RabbitMQ's error text; "none" where there is none. */
function toLimit(text: string): number | undefined {
  return /^-?\d+$/.test(text) ? Number(text) : undefined;
}
