import type { Timer } from "../../platform/clock.ts";
import { RequestRejected } from "../../core/errors.ts";
import { about, getLogger } from "../../platform/logging.ts";
import { nextTurn } from "../../platform/runtime.ts";
import { Notifier } from "../../platform/notifier.ts";
import type { RabbitmqDelivery } from "./delivery.ts";
import { Publication, type Sender } from "./publication.ts";
import type { RabbitmqSession } from "./session.ts";

const log = /* @__PURE__ */ getLogger("rabbitmq");

/** Milliseconds before a message that could not be moved goes back to its queue. */
const PAUSE_BEFORE_RETURN = 3_000;

/** A consumer whose messages are moved. It ignores those that it has lost. */
export interface RepublisherOwner {
  /** Takes messages off their queue: they are stored elsewhere. */
  moved(deliveries: readonly RabbitmqDelivery[]): void;
  /** Gives a message back to its queue. */
  republishFailed(delivery: RabbitmqDelivery): void;
  /** Has RabbitMQ itself put a message on the dead letter queue. */
  republishRejected(delivery: RabbitmqDelivery): void;
}

/**
 * The messages of a consumer that are on their way to other queues.
 *
 * moving ─▶ stored there ─▶ acknowledged here, at the end of the turn
 *       ├─▶ not stored ─▶ a pause ─▶ given back here
 *       └─▶ rejected ─▶ dead-lettered by RabbitMQ
 *
 * Their outcome is not awaited: without its channel, a message is delivered again.
 */
export class Republisher {
  readonly #session: RabbitmqSession;
  readonly #owner: RepublisherOwner;
  #underWay = 0;
  /** Deliveries that have arrived, to be acknowledged at the end of the turn. */
  #arrived: RabbitmqDelivery[] = [];
  readonly #pauses: Map<RabbitmqDelivery, Timer> = new Map();
  /** Tells that none is under way any more. */
  readonly #ended: Notifier = new Notifier();
  #isStopping = false;

  constructor(session: RabbitmqSession, owner: RepublisherOwner) {
    this.#session = session;
    this.#owner = owner;
  }

  /**
   * Puts a message on another queue as it is, and takes it off this one then.
   *
   * @param delivery A message that was not passed to the worker.
   * @param queueName Where it goes.
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
      // Without its delivery it comes again, and would then be there twice.
      isNeeded: () => delivery.isOpen,
    };
    this.#session.confirmedPublisher.add(
      new Publication(queueName, content, sender, properties.priority),
    );
  }

  /** Counts a move that the consumer sees to itself. */
  began(): void {
    this.#underWay += 1;
  }

  /** That move has ended. */
  ended(): void {
    this.#underWay -= 1;
    if (this.#underWay === 0) this.#ended.notify();
  }

  /** Gives back nothing any more: the end of the channel does so. */
  stop(): void {
    this.#isStopping = true;
  }

  /** Resolves when none is under way, and those that have arrived are acknowledged. */
  async settled(): Promise<void> {
    while (this.#underWay > 0) await this.#ended.next();
    await nextTurn();
  }

  /** Forgets what was delivered on a channel that is gone. */
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

  /** RabbitMQ itself puts it on the dead letter queue, where it takes what it does not take here. */
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

  /** Given back at once, a message that cannot be moved would run in a tight circle. */
  #returnLater(delivery: RabbitmqDelivery): void {
    if (!delivery.isOpen || this.#isStopping) return;
    const timer = this.#session.clock.setTimer(() => {
      this.#pauses.delete(delivery);
      this.#owner.republishFailed(delivery);
    }, PAUSE_BEFORE_RETURN);
    this.#pauses.set(delivery, timer);
  }
}
