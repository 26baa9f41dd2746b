/** An event that may occur repeatedly, and its waiters. */
export class Notifier {
  #waiting: (() => void)[] = [];

  /** True if there are waiters. */
  get isAwaited(): boolean {
    return this.#waiting.length > 0;
  }

  /** Wakes all current waiters. */
  notify(): void {
    if (this.#waiting.length === 0) return;
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const wake of waiting) wake();
  }

  /** Resolves at the next `notify`. */
  next(): Promise<void> {
    return new Promise((resolve) => this.#waiting.push(resolve));
  }
}
