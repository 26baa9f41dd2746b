/** Runs of each key, one after the other. */
export class Turns {
  readonly #last: Map<string, Promise<unknown>> = new Map();

  /**
   * Runs a function once all runs of its key that were asked for before have ended.
   *
   * @param key The key.
   * @param run Runs at once if nothing of the key is running.
   * @returns What it returned.
   */
  async take<T>(key: string, run: () => Promise<T>): Promise<T> {
    const before = this.#last.get(key);
    const running = before === undefined ? run() : before.then(run, run);
    this.#last.set(key, running);
    try {
      return await running;
    } finally {
      if (this.#last.get(key) === running) this.#last.delete(key);
    }
  }
}
