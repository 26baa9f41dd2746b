import type { Channel } from "./client.ts";
import type { RabbitmqDelivery } from "./delivery.ts";

/**
 * Unsettled deliveries of a channel, in order: a list in which each
 * delivery knows its neighbours.
 */
export class UnacknowledgedDeliveries implements Iterable<RabbitmqDelivery> {
  #first: RabbitmqDelivery | undefined;
  #last: RabbitmqDelivery | undefined;
  #size = 0;

  /** Number of items. */
  get size(): number {
    return this.#size;
  }

  /** Adds the latest one. */
  add(delivery: RabbitmqDelivery): void {
    delivery.isOpen = true;
    delivery.before = this.#last;
    if (this.#last === undefined) this.#first = delivery;
    else this.#last.after = delivery;
    this.#last = delivery;
    this.#size += 1;
  }

  /**
   * Takes one out.
   *
   * @returns Whether it was there.
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

  /** Forgets all: their channel is gone. */
  clear(): void {
    for (const delivery of [...this]) this.delete(delivery);
  }

  /**
   * Acknowledges deliveries that were taken out. One word is enough for all that have nothing
   * open before them.
   *
   * @param channel The channel that they came on.
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

  /** All of them, in order. */
  *[Symbol.iterator](): Iterator<RabbitmqDelivery> {
    for (let one = this.#first; one !== undefined; one = one.after) yield one;
  }
}
