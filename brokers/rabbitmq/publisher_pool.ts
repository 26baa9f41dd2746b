import type { Encoded } from "../../encoders/encoder.ts";
import { getLogger } from "../../platform/logging.ts";
import type { RabbitmqConnection } from "./connection.ts";
import { Publication, Receipt } from "./publication.ts";
import { Publisher, type PublisherOptions } from "./publisher.ts";
import type { Topology } from "./topology.ts";

const log = /* @__PURE__ */ getLogger("rabbitmq");

/**
 * Maximum of unconfirmed messages on the channel of a stalled queue. RabbitMQ stops reading a
 * connection, for all channels, when one of them has some hundreds to process (credit flow).
 */
const STALLED_WINDOW = 128;

/**
 * A publisher for all queues, and another one for each stalled queue: a queue for which nothing is
 * confirmed, since its leader hangs, or it has none.
 *
 * In RabbitMQ 3.10 the first message to such a queue blocks its channel for all later messages, so that
 * one queue would block all others, again on each new channel.
 *
 * shared channel ─ nothing confirmed for five seconds ─▶ a channel of its own
 *       ▲                                                    │
 *       └───────────────── all messages are stored ──────────┘
 */
export class PublisherPool {
  readonly #connection: RabbitmqConnection;
  readonly #topology: Topology;
  readonly #options: PublisherOptions;
  readonly #shared: Publisher;
  /** Publishers of the queues that have ever stalled. */
  readonly #own: Map<string, Publisher> = new Map();
  /** Times at which the stalled queues did so, by `performance.now()`. */
  readonly #stalledAt: Map<string, number> = new Map();

  constructor(connection: RabbitmqConnection, topology: Topology, options: PublisherOptions) {
    this.#connection = connection;
    this.#topology = topology;
    this.#options = options;
    this.#shared = new Publisher(connection, topology, {
      ...options,
      onStalled: (queueName) => this.#stalled(queueName),
      divert: (publication) => this.#divert(publication),
    });
  }

  /**
   * Sends one message.
   *
   * @param queueName The queue.
   * @param body The encoded message.
   * @param priority Its priority, if it has one.
   * @param headers Its headers as `fieldTable` writes them, if it has any.
   * @returns Resolves when it is stored.
   * @throws {BrokerConnectionError} If the server cannot be reached, or does not confirm it.
   * @throws {RequestRejected} If the server rejects it.
   */
  publish(
    queueName: string,
    body: Encoded,
    priority?: number,
    headers?: Uint8Array,
  ): Promise<void> {
    const receipt = new Receipt(1);
    this.add(new Publication(queueName, body, receipt, priority, headers));
    return receipt.promise;
  }

  /** Sends a message; its sender receives the outcome. */
  add(publication: Publication): void {
    const isStalled = this.#stalledAt.size > 0 && this.#stalledAt.has(publication.queueName);
    (isStalled ? this.#own.get(publication.queueName)! : this.#shared).add(publication);
  }

  /** Resolves when no messages wait or are unconfirmed. */
  async emptied(): Promise<void> {
    await this.#shared.emptied();
    await Promise.all(Array.from(this.#own.values(), (publisher) => publisher.emptied()));
  }

  /** Closes the publishers. Messages that wait or are unconfirmed fail. */
  async close(): Promise<void> {
    await this.#shared.close();
    await Promise.all(Array.from(this.#own.values(), (publisher) => publisher.close()));
  }

  #stalled(queueName: string): void {
    if (this.#stalledAt.has(queueName)) return;
    this.#stalledAt.set(queueName, performance.now());
    if (!this.#own.has(queueName)) this.#own.set(queueName, this.#open(queueName));
    log.info("Giving queue {queue} a channel of its own: RabbitMQ confirms nothing for it", {
      queue: queueName,
    });
  }

  #open(queueName: string): Publisher {
    const publisher: Publisher = new Publisher(this.#connection, this.#topology, {
      ...this.#options,
      window: STALLED_WINDOW,
      onStored: () => {
        if (!publisher.isBusy) this.#recovered(queueName);
      },
    });
    return publisher;
  }

  #recovered(queueName: string): void {
    const stalledAt = this.#stalledAt.get(queueName);
    if (stalledAt === undefined) return;
    this.#stalledAt.delete(queueName);
    log.info("Returned queue {queue} to the shared channel after {duration} ms", {
      queue: queueName,
      duration: Math.round(performance.now() - stalledAt),
    });
  }

  /** Passes a message to the publisher of its queue, if that has stalled. @returns True if it was. */
  #divert(publication: Publication): boolean {
    if (!this.#stalledAt.has(publication.queueName)) return false;
    const { waitsSince } = publication;
    this.#own.get(publication.queueName)!.add(publication);
    publication.waitsSince = waitsSince;
    return true;
  }
}
