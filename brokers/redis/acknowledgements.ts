import { nextTurn } from "../../platform/runtime.ts";
import type { RedisDelivery } from "./delivery.ts";
import { MAX_BATCH } from "./scripts.ts";

/** Ids that are acknowledged together. */
interface Batch {
  readonly ids: string[];
  /** Settles when the server has answered. */
  readonly sent: PromiseWithResolvers<void>;
}

/**
 * Collects what a consumer has to acknowledge, and sends it together.
 *
 * While the consumer is fetching, acknowledgements wait for the answer, and travel with
 * the next fetch. When there is none, or nothing is being fetched, they are sent at the
 * end of the turn.
 */
export class Acknowledgements {
  readonly #send: (ids: readonly string[]) => Promise<unknown>;
  #batch: Batch | undefined;
  /** Fetches under way. */
  #fetches = 0;

  /**
   * Makes an empty collection.
   *
   * @param send Acknowledges messages, and does not give up while there is hope.
   */
  constructor(send: (ids: readonly string[]) => Promise<unknown>) {
    this.#send = send;
  }

  /**
   * Adds messages.
   *
   * @param deliveries The messages.
   * @returns Resolves when the server has heard of them.
   */
  add(deliveries: readonly RedisDelivery[]): Promise<void> {
    let batch = this.#batch;
    if (batch === undefined) {
      batch = { ids: [], sent: Promise.withResolvers() };
      this.#batch = batch;
      if (this.#fetches === 0) this.#dispatchSoon(batch);
    }
    for (const { id } of deliveries) batch.ids.push(id);
    if (batch.ids.length >= MAX_BATCH) this.#dispatch(batch);
    return batch.sent.promise;
  }

  /**
   * Gives what there is to a fetch that takes it along. What is added meanwhile waits for
   * its end, and for another fetch in the same turn.
   *
   * @param fetch Fetches, and acknowledges the ids it is given.
   * @returns What the fetch gave.
   */
  async along<T>(fetch: (ids: readonly string[]) => Promise<T>): Promise<T> {
    const batch = this.#batch;
    this.#batch = undefined;
    this.#fetches += 1;
    try {
      const result = await fetch(batch?.ids ?? []);
      batch?.sent.resolve();
      return result;
    } catch (error) {
      // The fetch may be given up; they may not. To acknowledge twice does no harm.
      if (batch !== undefined) this.#dispatch(batch);
      throw error;
    } finally {
      this.#fetchEnded();
    }
  }

  /**
   * Says that a fetch begins at the end of this turn, for which to wait.
   *
   * @returns What to call when it has begun.
   */
  fetchComing(): () => void {
    this.#fetches += 1;
    return () => this.#fetchEnded();
  }

  #fetchEnded(): void {
    this.#fetches -= 1;
    if (this.#batch !== undefined) this.#dispatchSoon(this.#batch);
  }

  #dispatchSoon(batch: Batch): void {
    nextTurn().then(() => {
      if (this.#batch === batch && this.#fetches === 0) this.#dispatch(batch);
    });
  }

  #dispatch(batch: Batch): void {
    if (this.#batch === batch) this.#batch = undefined;
    const sent: Promise<unknown>[] = [];
    for (let i = 0; i < batch.ids.length; i += MAX_BATCH) {
      sent.push(this.#send(batch.ids.slice(i, i + MAX_BATCH)));
    }
    Promise.all(sent).then(() => batch.sent.resolve(), batch.sent.reject);
  }
}
