import type { RedisDelivery } from "./delivery.ts";
import { LostDeliveries } from "./lost_deliveries.ts";
import type { QueueHeartbeat, QueueMember, RedisSession, ServedQueue } from "./session.ts";

/**
 * A queue or delay queue, and the consumers that a broker has open on it.
 *
 * The set of unacknowledged messages in Redis belongs to the broker and the queue, as it does
 * in Python, so it is compared with what all of these consumers hold, never with what one does.
 */
export class ConsumedQueue implements ServedQueue {
  /** The queue. */
  readonly name: string;
  /** The consumers that are open. */
  readonly consumers: Set<QueueMember> = new Set();
  readonly #lostDeliveries: LostDeliveries;
  /** True if Redis may count unacknowledged messages, consumers or not. */
  #mayHaveUnacknowledged = false;

  /**
   * Makes one without consumers.
   *
   * @param session The broker.
   * @param name The queue.
   */
  constructor(session: RedisSession, name: string) {
    this.name = name;
    this.#lostDeliveries = new LostDeliveries(session, session.keys.of(name), this);
  }

  /**
   * True if the broker has to look after it: while it has consumers, and afterwards until
   * nothing is unacknowledged. What a consumer could not give back as it closed, because Redis
   * was away, is still this broker's, and other brokers leave it alone as long as this one lives.
   */
  get isWatched(): boolean {
    return this.consumers.size > 0 || this.#mayHaveUnacknowledged;
  }

  /** Adds a consumer that is about to fetch. */
  add(consumer: QueueMember): void {
    this.consumers.add(consumer);
    this.#mayHaveUnacknowledged = true;
  }

  /** Removes a consumer that holds nothing any more. */
  delete(consumer: QueueMember): void {
    this.consumers.delete(consumer);
  }

  /** Hears of messages that were fetched, before anything else becomes of them. */
  arrived(deliveries: readonly RedisDelivery[]): void {
    this.#lostDeliveries.arrived(deliveries);
  }

  /** Hears what a heartbeat found out. */
  heartbeat(heartbeat: QueueHeartbeat): void {
    let held = 0;
    for (const consumer of this.consumers) {
      consumer.heartbeat(heartbeat);
      held += consumer.inFlight.size;
    }
    if (held === 0 && heartbeat.unacknowledged === 0) {
      this.#mayHaveUnacknowledged = this.consumers.size > 0;
    }
    this.#lostDeliveries.look(heartbeat.unacknowledged > held);
  }

  /** Fails all consumers: what they hold may be another broker's by now. */
  fail(error: unknown): void {
    this.#lostDeliveries.forget();
    for (const consumer of this.consumers) consumer.fail(error);
  }

  /** The fetches under way. */
  fetches(): unknown[] {
    return Array.from(this.consumers, (consumer) => consumer.fetches()).flat();
  }

  /** The ids of all messages that consumers hold. */
  heldIds(): Set<string> {
    const ids = new Set<string>();
    for (const consumer of this.consumers) consumer.inFlight.addIdsTo(ids);
    return ids;
  }
}

/** The one that a broker has for a queue. */
export function consumedQueue(session: RedisSession, name: string): ServedQueue {
  let queue = session.queues.get(name);
  if (queue === undefined) {
    queue = new ConsumedQueue(session, name);
    session.queues.set(name, queue);
  }
  return queue;
}
