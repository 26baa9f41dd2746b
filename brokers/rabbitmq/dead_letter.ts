import { type Clock, pause } from "../../platform/clock.ts";
import { BrokerConnectionError, RequestRejected } from "../../core/errors.ts";
import { getLogger } from "../../platform/logging.ts";
import { deadLetterQueueName } from "../../core/queue_names.ts";
import { storeDeadLetter } from "../../core/store_dead_letter.ts";
import type { RabbitmqDelivery } from "./delivery.ts";
import { fieldTable } from "./field_table.ts";
import { Publication, Receipt } from "./publication.ts";
import type { PublisherPool } from "./publisher_pool.ts";

const log = /* @__PURE__ */ getLogger("rabbitmq");

/** Milliseconds between two attempts to store dead letters. */
const PAUSE = 1_000;

/**
 * Headers as RabbitMQ writes them to a rejected message, for tools that read them.
 *
 * Source: scenario `nack` in `tests/vectors/rabbitmq_broker.json`.
 *
 * @param queueName The queue of the message.
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

/** Dependencies of a {@linkcode DeadLetterStore}. */
export interface DeadLetterStoreOptions {
  readonly clock: Clock;
  /** Sends dead letters. */
  readonly confirmedPublisher: PublisherPool;
  /** The queue of the messages. */
  readonly queueName: string;
  /** True if the consumer is closed, so that retries end. */
  readonly isClosed: () => boolean;
}

/**
 * Stores dead letters of a consumer.
 *
 * It retries as long as their deliveries are open: if it gave up, all messages of the consumer would be
 * delivered again, and on a quorum queue come closer to the delivery limit.
 */
export class DeadLetterStore {
  readonly #options: DeadLetterStoreOptions;
  /** Number of messages that are being retried. */
  #waiting = 0;

  /** @param options The queue, and the publisher. */
  constructor(options: DeadLetterStoreOptions) {
    this.#options = options;
  }

  /** As {@linkcode publishDeadLetter}, retried while RabbitMQ does not store it. */
  async store(delivery: RabbitmqDelivery, headers: Uint8Array): Promise<boolean> {
    const { clock, confirmedPublisher, queueName, isClosed } = this.#options;
    let isWaiting = false;
    try {
      while (true) {
        try {
          return await publishDeadLetter(confirmedPublisher, queueName, delivery, headers);
        } catch (error) {
          const isUnavailable = error instanceof BrokerConnectionError;
          if (!isUnavailable || !delivery.isOpen || isClosed()) throw error;
          if (!isWaiting) this.#noteWaiting(error);
          isWaiting = true;
        }
        await pause(clock, PAUSE);
      }
    } finally {
      if (isWaiting) this.#waiting -= 1;
    }
  }

  #noteWaiting(error: Error): void {
    this.#waiting += 1;
    if (this.#waiting > 1) return;
    log.error("Retrying to store dead letters of {queue}: {reason}", {
      queue: this.#options.queueName,
      reason: error.message,
      error,
    });
  }
}

/**
 * Publishes a message to its dead letter queue. It is not retried once its delivery is lost, since
 * RabbitMQ delivers it again.
 *
 * @param confirmedPublisher The publisher.
 * @param queueName The queue of the message.
 * @param delivery The message.
 * @param headers From {@linkcode deadLetterHeaders}.
 * @returns False if RabbitMQ rejects it in any form, even as it was delivered.
 * @throws {BrokerConnectionError} If the server cannot be reached, or does not confirm it.
 */
async function publishDeadLetter(
  confirmedPublisher: PublisherPool,
  queueName: string,
  delivery: RabbitmqDelivery,
  headers: Uint8Array,
): Promise<boolean> {
  const { delivered, raw } = delivery;
  const deadLetterQueue = deadLetterQueueName(queueName);
  const isNeeded = () => delivery.isOpen;
  try {
    await storeDeadLetter(delivery, delivered, (deadLetter) => {
      const receipt = new Receipt(1, isNeeded);
      const body = deadLetter === delivered ? raw.content : deadLetter.encode();
      const { priority } = raw.properties;
      confirmedPublisher.add(new Publication(deadLetterQueue, body, receipt, priority, headers));
      return receipt.promise;
    });
    return true;
  } catch (error) {
    if (error instanceof RequestRejected) return false;
    throw error;
  }
}
