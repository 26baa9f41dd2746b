import type { Channel } from "./client.ts";
import type { RabbitmqDelivery } from "./delivery.ts";

/**
 * Unsettled deliveries of a channel, in order: a doubly linked list.
 */
export class UnacknowledgedDeliveries implements Iterable<RabbitmqDelivery> {
  #first: RabbitmqDelivery | undefined;
  #last: RabbitmqDelivery | undefined;
  #size = 0;

  /** Number of deliveries. */
  get size(): number {
    return this.#size;
  }

  /** Adds the latest delivery. */
  add(delivery: RabbitmqDelivery): void {
    delivery.isOpen = true;
    delivery.before = this.#last;
    if (this.#last === undefined) this.#first = delivery;
    else this.#last.after = delivery;
    this.#last = delivery;
    this.#size += 1;
  }

  /**
   * Removes a delivery.
   *
   * @returns False if it was removed before.
   */
  delete(delivery: RabbitmqDelivery): boolean {
    if (!delivery.isOpen) return false;
    const { before, after } = delivery;
    if (before === undefined) this.#first = after;
    else before.after = after;
    if (after === undefined) this.#last = before;
    else after.before = before;
    delivery.isOpen = false;
    delivery.before = undefined;
    delivery.after = undefined;
    this.#size -= 1;
    return true;
  }

  /** Removes all deliveries: their channel was closed. */
  clear(): void {
    for (const delivery of [...this]) this.delete(delivery);
  }

  /**
   * Acknowledges deliveries that were removed. A single `multiple` acknowledgement covers those before the
   * first unsettled one.
   *
   * @param channel Their channel.
   * @param settled The deliveries, in any order.
   */
  acknowledge(channel: Channel, settled: readonly RabbitmqDelivery[]): void {
    const firstOpen = this.#first?.tag ?? Infinity;
    let last: RabbitmqDelivery | undefined;
    let count = 0;
    for (const delivery of settled) {
      if (delivery.tag > firstOpen) {
        channel.ack(delivery.raw);
        continue;
      }
      count += 1;
      if (last === undefined || delivery.tag > last.tag) last = delivery;
    }
    if (last !== undefined) channel.ack(last.raw, count > 1);
  }

  /** Iterates over all deliveries, in order. */
  *[Symbol.iterator](): Iterator<RabbitmqDelivery> {
    for (let one = this.#first; one !== undefined; one = one.after) yield one;
  }
}
