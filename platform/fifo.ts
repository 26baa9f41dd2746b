/** A first-in-first-out queue whose `shift` does not move the remaining items. */
export class Fifo<T> {
  #items: (T | undefined)[] = [];
  #head = 0;

  /** Number of items. */
  get size(): number {
    return this.#items.length - this.#head;
  }

  /** The first item, without removing it; `undefined` when empty. */
  get first(): T | undefined {
    return this.#items[this.#head];
  }

  /** Adds an item at the end. */
  push(item: T): void {
    this.#items.push(item);
  }

  /** Puts items back at the front, in their order. */
  unshift(items: readonly T[]): void {
    // Most items were shifted off before, so their old places before the head are free.
    if (items.length > this.#head) {
      this.#items = [...items, ...this.#items.slice(this.#head)];
      this.#head = 0;
      return;
    }
    this.#head -= items.length;
    for (let i = 0; i < items.length; i++) this.#items[this.#head + i] = items[i];
  }

  /** Removes and returns the items that match, in order. */
  takeWhere(matches: (item: T) => boolean): T[] {
    const taken: T[] = [];
    for (let left = this.size; left > 0; left--) {
      const item = this.shift()!;
      if (matches(item)) taken.push(item);
      else this.push(item);
    }
    return taken;
  }

  /** Removes and returns the first item; `undefined` when empty. */
  shift(): T | undefined {
    if (this.size === 0) return undefined;
    const item = this.#items[this.#head];
    this.#items[this.#head] = undefined; // for the garbage collector
    this.#head += 1;
    if (this.#head === this.#items.length) {
      this.#items = [];
      this.#head = 0;
    } else if (this.#head >= 1_024 && this.#head * 2 >= this.#items.length) {
      this.#items = this.#items.slice(this.#head);
      this.#head = 0;
    }
    return item;
  }

  /** Up to `limit` first items, without removing them. */
  peek(limit: number): T[] {
    return this.#items.slice(this.#head, this.#head + limit) as T[];
  }

  /** Removes all items. */
  clear(): void {
    this.#items = [];
    this.#head = 0;
  }
}
