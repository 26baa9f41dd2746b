import type { Encoded } from "../encoders/encoder.ts";
import { runInMicrotask } from "../platform/microtask.ts";

/** Value of a key: nothing, or an error where it cannot be read. */
export type Stored = Encoded | Error | undefined;

/** Number of keys that are read in one go. A server does nothing else meanwhile. */
const MAX_BATCH = 500;

/** Keys of one server that are about to be read. */
type Batch = Map<string, PromiseWithResolvers<Encoded | undefined>>;

/** Reads what is asked for in one turn of the event loop together, each server's on its own. */
export class BatchedReads {
  readonly #fetch: (keys: readonly string[]) => Promise<readonly Stored[]>;
  readonly #serverOf: (key: string) => number;
  readonly #batches: Map<number, Batch> = new Map();

  /**
   * Makes one that has nothing to read.
   *
   * @param fetch Reads many keys, and gives what stands under each.
   * @param serverOf Tells servers apart: their keys are read, and fail, apart.
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
   * @returns What stands there, `undefined` if nothing does.
   * @throws What `fetch` throws, or gives for this key.
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
    if (this.#batches.get(server) !== batch) return; // it was full before its time
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
