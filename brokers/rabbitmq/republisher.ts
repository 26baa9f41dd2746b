import type { Timer } from "../../platform/clock.ts";
import { RequestRejected } from "../../core/errors.ts";
import { about, getLogger } from "../../platform/logging.ts";
import { nextTurn } from "../../platform/runtime.ts";
import { Notifier } from "../../platform/notifier.ts";
import type { RabbitmqDelivery } from "./delivery.ts";
import { Publication, type Sender } from "./publication.ts";
import type { RabbitmqSession } from "./session.ts";

const log = /* @__PURE__ */ getLogger("rabbitmq");

/** Milliseconds before a message that could not be moved is requeued. */
const PAUSE_BEFORE_RETURN = 3_000;

/** A consumer whose messages are moved. It ignores deliveries that it has lost. */
export interface RepublisherOwner {
  /** Acknowledges messages that are stored on another queue. */
  moved(deliveries: readonly RabbitmqDelivery[]): void;
  /** Requeues a message. */
  republishFailed(delivery: RabbitmqDelivery): void;
  /** Rejects a message: RabbitMQ dead-letters it. */
  republishRejected(delivery: RabbitmqDelivery): void;
}

/**
 * Moves messages of a consumer to other queues.
 *
 * moving ─▶ stored there ─▶ acknowledged here, at the end of the turn
 *       ├─▶ not stored ─▶ a pause ─▶ requeued here
 *       └─▶ rejected ─▶ dead-lettered by RabbitMQ
 *
 * The outcome needs no caller: if the channel is lost, a message is delivered again.
 */
export class Republisher {
  readonly #session: RabbitmqSession;
  readonly #owner: RepublisherOwner;
  #underWay = 0;
  /** Deliveries that are stored on another queue, to be acknowledged at the end of the turn. */
  #arrived: RabbitmqDelivery[] = [];
  readonly #pauses: Map<RabbitmqDelivery, Timer> = new Map();
  /** Notifies when no message is being moved. */
  readonly #ended: Notifier = new Notifier();
  #isStopping = false;

  constructor(session: RabbitmqSession, owner: RepublisherOwner) {
    this.#session = session;
    this.#owner = owner;
  }

  /**
   * Publishes a message to another queue unchanged, and then acknowledges it here.
   *
   * @param delivery A message that was not passed to the worker.
   * @param queueName The other queue.
   */
  add(delivery: RabbitmqDelivery, queueName: string): void {
    const { content, properties } = delivery.raw;
    this.began();
    // No promise: there may be thousands at a time.
    const sender: Sender = {
      stored: () => {
        this.#arrived.push(delivery);
        if (this.#arrived.length === 1) nextTurn().then(() => this.#acknowledge());
        this.ended();
      },
      failed: (error) => {
        if (error instanceof RequestRejected) this.#reject(delivery, queueName, error);
        else this.#returnLater(delivery);
        this.ended();
      },
      // A lost delivery is delivered again, and would then be stored twice.
      isNeeded: () => delivery.isOpen,
    };
    this.#session.confirmedPublisher.add(
      new Publication(queueName, content, sender, properties.priority),
    );
  }

  /** Counts a move that the consumer makes itself. */
  began(): void {
    this.#underWay += 1;
  }

  /** Notes the end of a move. */
  ended(): void {
    this.#underWay -= 1;
    if (this.#underWay === 0) this.#ended.notify();
  }

  /** Requeues no more messages: closing the channel does so. */
  stop(): void {
    this.#isStopping = true;
  }

  /** Resolves when no message is being moved, and the moved ones are acknowledged. */
  async settled(): Promise<void> {
    while (this.#underWay > 0) await this.#ended.next();
    await nextTurn();
  }

  /** Drops deliveries of a channel that was closed. */
  clear(): void {
    this.#arrived = [];
    for (const timer of this.#pauses.values()) this.#session.clock.clearTimer(timer);
    this.#pauses.clear();
  }

  #acknowledge(): void {
    const arrived = this.#arrived;
    this.#arrived = [];
    this.#owner.moved(arrived);
  }

  /** Has RabbitMQ dead-letter it, which accepts any message that it has stored before. */
  #reject(delivery: RabbitmqDelivery, queueName: string, error: RequestRejected): void {
    if (!delivery.isOpen) return;
    log.error(
      "Dead-lettering message {messageId} of {actor}, which cannot go to {queue}: {reason}",
      {
        ...about(delivery, error),
        queue: queueName,
      },
    );
    this.#owner.republishRejected(delivery);
  }

  /** Requeues a message after a pause: at once, it would be delivered again in a tight loop. */
  #returnLater(delivery: RabbitmqDelivery): void {
    if (!delivery.isOpen || this.#isStopping) return;
    const timer = this.#session.clock.setTimer(() => {
      this.#pauses.delete(delivery);
      this.#owner.republishFailed(delivery);
    }, PAUSE_BEFORE_RETURN);
    this.#pauses.set(delivery, timer);
  }
}
