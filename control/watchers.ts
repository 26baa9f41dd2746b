import type { ControlEntry, ControlListener } from "../core/control_store.ts";

interface Watch {
  readonly prefix: string;
  readonly listener: ControlListener;
}

/** The watchers of one control store in this process. */
export class Watchers {
  readonly #watches: Set<Watch> = new Set();
  readonly #onChange: () => void;

  /**
   * Starts without watchers.
   *
   * @param onChange Called when the first watcher comes or the last one leaves.
   */
  constructor(onChange: () => void = () => {}) {
    this.#onChange = onChange;
  }

  /** Number of items. */
  get size(): number {
    return this.#watches.size;
  }

  /** Adds one; disposing of the result removes it. */
  add(prefix: string, listener: ControlListener): Disposable {
    const watch = { prefix, listener };
    this.#watches.add(watch);
    if (this.#watches.size === 1) this.#onChange();
    return {
      [Symbol.dispose]: () => {
        if (this.#watches.delete(watch) && this.#watches.size === 0) this.#onChange();
      },
    };
  }

  /** Tells of a changed entry. */
  changed(entry: ControlEntry): void {
    for (const { prefix, listener } of this.#watches) {
      if (entry.key.startsWith(prefix)) listener.changed(entry);
    }
  }

  /** Tells that changes may have been missed. */
  reset(): void {
    for (const { listener } of this.#watches) listener.reset();
  }

  /** Removes all. */
  clear(): void {
    if (this.#watches.size === 0) return;
    this.#watches.clear();
    this.#onChange();
  }
}
