/** Serializes asynchronous functions by key. */
export class Turns {
  readonly #last: Map<string, Promise<unknown>> = new Map();

  /**
   * Runs a function after all earlier ones of its key have settled.
   *
   * @param key The key.
   * @param run The function. It is called at once if none of the key is running.
   * @returns Its result.
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
