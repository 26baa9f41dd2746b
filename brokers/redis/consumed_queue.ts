import type { RedisDelivery } from "./delivery.ts";
import { LostDeliveries } from "./lost_deliveries.ts";
import type { QueueHeartbeat, QueueMember, RedisSession, ServedQueue } from "./session.ts";

/**
 * A queue or delay queue, with all consumers that a broker has open on it.
 *
 * As in Python, Redis has one set of unacknowledged messages for each broker and queue. So that set is
 * compared with the deliveries of all consumers together.
 */
export class ConsumedQueue implements ServedQueue {
  readonly name: string;
  readonly consumers: Set<QueueMember> = new Set();
  readonly #lostDeliveries: LostDeliveries;
  /** True if Redis may have unacknowledged messages, even without a consumer. */
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
   * True if heartbeats include the queue: while it has consumers, and afterwards until nothing is
   * unacknowledged. Messages that a consumer could not give back as it closed, during an outage, still
   * belong to this broker, and no other recovers them while this one lives.
   */
  get isWatched(): boolean {
    return this.consumers.size > 0 || this.#mayHaveUnacknowledged;
  }

  /** Adds a consumer that is about to fetch. */
  add(consumer: QueueMember): void {
    this.consumers.add(consumer);
    this.#mayHaveUnacknowledged = true;
  }

  /** Removes a consumer that has given back its deliveries. */
  delete(consumer: QueueMember): void {
    this.consumers.delete(consumer);
  }

  /** Notes fetched messages, before they are received or given back. */
  arrived(deliveries: readonly RedisDelivery[]): void {
    this.#lostDeliveries.arrived(deliveries);
  }

  /** Passes the state of the queue to its consumers, and checks for lost deliveries. */
  heartbeat(heartbeat: QueueHeartbeat): void {
    let held = 0;
    for (const consumer of this.consumers) {
      consumer.heartbeat(heartbeat);
      held += consumer.inFlight.size;
    }
    if (held === 0 && heartbeat.unacknowledged === 0) {
      this.#mayHaveUnacknowledged = this.consumers.size > 0;
    }
    this.#lostDeliveries.check(heartbeat.unacknowledged > held);
  }

  /** Fails all consumers: another broker may have taken over their messages. */
  fail(error: unknown): void {
    this.#lostDeliveries.forget();
    for (const consumer of this.consumers) consumer.fail(error);
  }

  /** Pending fetches of all consumers. */
  fetches(): unknown[] {
    return Array.from(this.consumers, (consumer) => consumer.fetches()).flat();
  }

  /** Ids of the messages in flight in all consumers. */
  heldIds(): Set<string> {
    const ids = new Set<string>();
    for (const consumer of this.consumers) consumer.inFlight.addIdsTo(ids);
    return ids;
  }
}

/** Returns the queue of this name, created on first use. */
export function consumedQueue(session: RedisSession, name: string): ServedQueue {
  let queue = session.queues.get(name);
  if (queue === undefined) {
    queue = new ConsumedQueue(session, name);
    session.queues.set(name, queue);
  }
  return queue;
}
