import type { Encoded } from "../encoders/encoder.ts";
import { runInMicrotask } from "../platform/microtask.ts";

/** Value of a key: data, nothing, or an error if it cannot be read. */
export type Stored = Encoded | Error | undefined;

/** Maximum of keys in one call, for which other commands of the server have to wait. */
const MAX_BATCH = 500;

/** Keys of one server to read in the next call. */
type Batch = Map<string, PromiseWithResolvers<Encoded | undefined>>;

/** Reads the keys of one turn of the event loop in batches, one for each server. */
export class BatchedReads {
  readonly #fetch: (keys: readonly string[]) => Promise<readonly Stored[]>;
  readonly #serverOf: (key: string) => number;
  readonly #batches: Map<number, Batch> = new Map();

  /**
   * Stores how to read.
   *
   * @param fetch Reads many keys.
   * @param serverOf Index of the server of a key.
   */
  constructor(
    fetch: (keys: readonly string[]) => Promise<readonly Stored[]>,
    serverOf: (key: string) => number = () => 0,
  ) {
    this.#fetch = fetch;
    this.#serverOf = serverOf;
  }

  /**
   * Reads one key.
   *
   * @returns The data; `undefined` if there is none.
   * @throws The error of `fetch`, or of this key.
   */
  read(key: string): Promise<Encoded | undefined> {
    const server = this.#serverOf(key);
    const batch = this.#batches.get(server) ?? this.#begin(server);
    let reading = batch.get(key);
    if (reading === undefined) {
      reading = Promise.withResolvers();
      batch.set(key, reading);
      if (batch.size === MAX_BATCH) void this.#flush(server, batch);
    }
    return reading.promise;
  }

  #begin(server: number): Batch {
    const batch: Batch = new Map();
    this.#batches.set(server, batch);
    runInMicrotask(() => this.#flush(server, batch));
    return batch;
  }

  async #flush(server: number, batch: Batch): Promise<void> {
    if (this.#batches.get(server) !== batch) return; // it was full, and sent before
    this.#batches.delete(server);
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
