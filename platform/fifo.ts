/** First in, first out, without moving items at every `shift`. */
export class Fifo<T> {
  #items: (T | undefined)[] = [];
  #head = 0;

  /** Number of items. */
  get size(): number {
    return this.#items.length - this.#head;
  }

  /** The first item, left where it is; `undefined` when there is none. */
  get first(): T | undefined {
    return this.#items[this.#head];
  }

  /** Adds an item at the end. */
  push(item: T): void {
    this.#items.push(item);
  }

  /** Puts items back at the front, the first of them foremost. */
  unshift(items: readonly T[]): void {
    // Those that are put back were mostly taken from here, and have left their places.
    if (items.length > this.#head) {
      this.#items = [...items, ...this.#items.slice(this.#head)];
      this.#head = 0;
      return;
    }
    this.#head -= items.length;
    for (let i = 0; i < items.length; i++) this.#items[this.#head + i] = items[i];
  }

  /** Takes out those that fit, in order. */
  takeWhere(fits: (item: T) => boolean): T[] {
    const taken: T[] = [];
    for (let left = this.size; left > 0; left--) {
      const item = this.shift()!;
      if (fits(item)) taken.push(item);
      else this.push(item);
    }
    return taken;
  }

  /** Takes the first item off; `undefined` when there is none. */
  shift(): T | undefined {
    if (this.size === 0) return undefined;
    const item = this.#items[this.#head];
    this.#items[this.#head] = undefined; // lets go of it
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

  /** A copy of the first items. */
  peek(limit: number): T[] {
    return this.#items.slice(this.#head, this.#head + limit) as T[];
  }

  /** Drops everything. */
  clear(): void {
    this.#items = [];
    this.#head = 0;
  }
}
