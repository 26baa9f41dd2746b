import type { ControlEntry, ControlListener } from "../core/control_store.ts";

/** One subscription. */
interface Watch {
  readonly prefix: string;
  readonly listener: ControlListener;
}

/** Watchers of a control store in this process. */
export class Watchers {
  readonly #watches: Set<Watch> = new Set();
  readonly #onChange: () => void;

  /**
   * Starts without watchers.
   *
   * @param onChange Called when the first watcher is added or the last one removed.
   */
  constructor(onChange: () => void = () => {}) {
    this.#onChange = onChange;
  }

  /** Number of watchers. */
  get size(): number {
    return this.#watches.size;
  }

  /** Adds a watcher; disposing of the result removes it. */
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

  /** Notifies the watchers of a changed entry. */
  changed(entry: ControlEntry): void {
    for (const { prefix, listener } of this.#watches) {
      if (entry.key.startsWith(prefix)) listener.changed(entry);
    }
  }

  /** Notifies all watchers that they may have missed changes. */
  reset(): void {
    for (const { listener } of this.#watches) listener.reset();
  }

  /** Removes all watchers. */
  clear(): void {
    if (this.#watches.size === 0) return;
    this.#watches.clear();
    this.#onChange();
  }
}
