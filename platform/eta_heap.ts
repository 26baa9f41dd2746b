/** An item that is due at a time. */
interface Timed {
  /** Milliseconds since the epoch. */
  readonly eta: number;
}

/** A binary heap of items by eta; items of the same eta keep the order in which they were added. */
export class EtaHeap<T extends Timed> {
  #items: { readonly item: T; readonly order: number }[] = [];
  #count = 0;

  /** Number of items. */
  get size(): number {
    return this.#items.length;
  }

  /** The earliest eta, `Infinity` when there is none. */
  get nextEta(): number {
    return this.#items[0]?.item.eta ?? Infinity;
  }

  /** Adds an item. */
  push(item: T): void {
    const items = this.#items;
    items.push({ item, order: this.#count++ });
    let child = items.length - 1;
    while (child > 0) {
      const parent = (child - 1) >> 1;
      if (!this.#isBefore(child, parent)) return;
      this.#swap(child, parent);
      child = parent;
    }
  }

  /** Removes and returns the earliest item if it is due. */
  shiftDue(now: number): T | undefined {
    const items = this.#items;
    if (items.length === 0 || items[0]!.item.eta > now) return undefined;
    this.#swap(0, items.length - 1);
    const { item } = items.pop()!;
    let parent = 0;
    while (true) {
      let least = parent;
      for (const child of [2 * parent + 1, 2 * parent + 2]) {
        if (child < items.length && this.#isBefore(child, least)) least = child;
      }
      if (least === parent) return item;
      this.#swap(least, parent);
      parent = least;
    }
  }

  /** Up to `limit` items, in no order, without removing them. */
  peek(limit: number): T[] {
    return this.#items.slice(0, limit).map(({ item }) => item);
  }

  /**
   * Removes one item, in linear time.
   *
   * @returns Whether it was in the heap.
   */
  delete(item: T): boolean {
    const all = this.drain();
    const rest = all.filter((one) => one !== item);
    for (const one of rest) this.push(one);
    return rest.length < all.length;
  }

  /** Removes and returns all items, the earliest first. */
  drain(): T[] {
    const items = this.#items;
    this.#items = [];
    return items.sort((a, b) => a.item.eta - b.item.eta || a.order - b.order)
      .map(({ item }) => item);
  }

  /** Removes all items. */
  clear(): void {
    this.#items = [];
  }

  #isBefore(a: number, b: number): boolean {
    const left = this.#items[a]!;
    const right = this.#items[b]!;
    return left.item.eta < right.item.eta ||
      (left.item.eta === right.item.eta && left.order < right.order);
  }

  #swap(a: number, b: number): void {
    [this.#items[a], this.#items[b]] = [this.#items[b]!, this.#items[a]!];
  }
}
