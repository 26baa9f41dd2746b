import type { MessageProxy } from "../../core/message_proxy.ts";
import { IndexedSet } from "../../platform/indexed_set.ts";
import type { RedisDelivery } from "./delivery.ts";

/**
 * Unacknowledged deliveries of one consumer:
 *
 * fetched ─▶ unsettled ─(taken)▶ settling ─▶ gone
 */
export class InFlight {
  readonly #unsettled: IndexedSet<RedisDelivery> = new IndexedSet();
  /** Batches on their way to the server, and what settles when it has answered. */
  readonly #settling: Map<readonly RedisDelivery[], Promise<void>> = new Map();

  /** Number of deliveries that are not settled: they fill the prefetch. */
  get unsettled(): number {
    return this.#unsettled.size;
  }

  /** Number of items, those that are being settled among them. */
  get size(): number {
    return this.#unsettled.size +
      this.#settling.keys().reduce((sum, batch) => sum + batch.length, 0);
  }

  /** Adds what was fetched. */
  add(deliveries: readonly RedisDelivery[]): void {
    for (const delivery of deliveries) this.#unsettled.add(delivery);
  }

  /** Takes out those that are still to be settled: not given back, nor settled before. */
  take(messages: readonly MessageProxy[]): RedisDelivery[] {
    return messages.filter((message): message is RedisDelivery =>
      this.#unsettled.delete(message as RedisDelivery)
    );
  }

  /** Takes out all that is not settled, in the order in which it was delivered. */
  takeAll(): RedisDelivery[] {
    return this.take(Array.from(this.#unsettled).sort((a, b) => a.order - b.order));
  }

  /**
   * Keeps what was taken out in mind until the server has heard of it.
   *
   * @param batch What was taken.
   * @param settled Settles when the server has answered.
   */
  async settle(batch: readonly RedisDelivery[], settled: Promise<void>): Promise<void> {
    if (batch.length === 0) return;
    this.#settling.set(batch, settled);
    try {
      await settled;
    } finally {
      this.#settling.delete(batch);
    }
  }

  /** Resolves when the server has heard of all that is being settled, or it was given up. */
  async settled(): Promise<void> {
    await Promise.allSettled(this.#settling.values());
  }

  /** Adds to a set what the queue calls all that there is. */
  addIdsTo(ids: Set<string>): void {
    for (const { id } of this.#unsettled) ids.add(id);
    for (const batch of this.#settling.keys()) {
      for (const { id } of batch) ids.add(id);
    }
  }
}
