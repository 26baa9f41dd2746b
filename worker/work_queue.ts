import { Fifo } from "../platform/fifo.ts";

/**
 * Priority queue: lower numbers first, and first in, first out within a priority.
 *
 * There are few priorities, so each has a queue of its own; `push` and `shift` take constant time.
 */
export class WorkQueue<T> {
  readonly #queues: Map<number, Fifo<T>> = new Map();
  /** The priorities in use, lowest first. */
  #priorities: number[] = [];
  #size = 0;

  /** Number of items. */
  get size(): number {
    return this.#size;
  }

  /** Adds an item behind those of its priority. */
  push(item: T, priority: number): void {
    let queue = this.#queues.get(priority);
    if (queue === undefined) {
      queue = new Fifo();
      this.#queues.set(priority, queue);
      this.#priorities = [...this.#queues.keys()].toSorted((a, b) => a - b);
    }
    queue.push(item);
    this.#size += 1;
  }

  /** Removes the next item; `undefined` if there is none. */
  shift(): T | undefined {
    if (this.#size === 0) return undefined;
    this.#size -= 1;
    for (const priority of this.#priorities) {
      const queue = this.#queues.get(priority)!;
      if (queue.size > 0) return queue.shift();
    }
    return undefined;
  }

  /** Removes items of each priority, in order, until one does not match. */
  shiftWhile(matches: (item: T) => boolean): T[] {
    const taken: T[] = [];
    for (const queue of this.#queues.values()) {
      while (queue.size > 0 && matches(queue.first!)) taken.push(queue.shift()!);
    }
    this.#size -= taken.length;
    return taken;
  }

  /** Removes the items that match, in order. */
  take(matches: (item: T) => boolean): T[] {
    const taken: T[] = [];
    for (const queue of this.#queues.values()) {
      for (let left = queue.size; left > 0; left--) {
        const item = queue.shift()!;
        if (matches(item)) taken.push(item);
        else queue.push(item);
      }
    }
    this.#size -= taken.length;
    return taken;
  }

  /** Removes all items, in order. */
  drain(): T[] {
    return Array.from({ length: this.#size }, () => this.shift() as T);
  }
}
