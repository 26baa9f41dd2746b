import type { Encoded } from "../core/encoder.ts";

/** What stands under a key: nothing, or an error where it cannot be read. */
export type Stored = Encoded | Error | undefined;

/** How many keys are read in one go. A server does nothing else meanwhile. */
const MAX_BATCH = 500;

/** Reads what is asked for in one turn of the event loop together. */
export class JoinedReads {
  readonly #fetch: (keys: readonly string[]) => Promise<readonly Stored[]>;
  #batch: Map<string, PromiseWithResolvers<Encoded | undefined>> = new Map();

  /**
   * Makes one that has nothing to read.
   *
   * @param fetch Reads many keys, and gives what stands under each.
   */
  constructor(fetch: (keys: readonly string[]) => Promise<readonly Stored[]>) {
    this.#fetch = fetch;
  }

  /**
   * Reads one key.
   *
   * @returns What stands there, `undefined` if nothing does.
   * @throws What `fetch` throws, or gives for this key.
   */
  read(key: string): Promise<Encoded | undefined> {
    let reading = this.#batch.get(key);
    if (reading === undefined) {
      if (this.#batch.size === 0) queueMicrotask(() => this.#flush());
      reading = Promise.withResolvers();
      this.#batch.set(key, reading);
      if (this.#batch.size === MAX_BATCH) this.#flush();
    }
    return reading.promise;
  }

  async #flush(): Promise<void> {
    const batch = this.#batch;
    if (batch.size === 0) return; // it was full before its time
    this.#batch = new Map();
    const readings = [...batch.values()];
    try {
      const found = await this.#fetch([...batch.keys()]);
      readings.forEach(({ resolve, reject }, i) => {
        const stored = found[i];
        if (stored instanceof Error) reject(stored);
        else resolve(stored);
      });
    } catch (error) {
      for (const { reject } of readings) reject(error);
    }
  }
}
