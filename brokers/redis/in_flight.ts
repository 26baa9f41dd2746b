import type { MessageProxy } from "../../core/message_proxy.ts";
import { IndexedSet } from "../../platform/indexed_set.ts";
import { nextTurn } from "../../platform/runtime.ts";
import type { RedisDelivery } from "./delivery.ts";
import { MAX_BATCH } from "./scripts.ts";

/** Size of the prefetch from which on half of it is a batch that is worth a fetch. */
const SMALL_PREFETCH = 64;

/**
 * Unacknowledged deliveries of one consumer:
 *
 * fetched ─▶ unsettled ─(taken)▶ settling ─▶ gone
 *
 * Unsettled ones fill the prefetch.
 */
export class InFlight {
  readonly #prefetch: number;
  readonly #unsettled: IndexedSet<RedisDelivery> = new IndexedSet();
  /** Batches on their way to the server, and what settles when it has answered. */
  readonly #settling: Map<readonly RedisDelivery[], Promise<void>> = new Map();

  /** @param prefetch Number of deliveries that may be unsettled. */
  constructor(prefetch: number) {
    this.#prefetch = prefetch;
  }

  /** Number of deliveries that may be added now; below 0 if more have arrived than may be. */
  get room(): number {
    return this.#prefetch - this.#unsettled.size;
  }

  /**
   * True if there is room for a batch: half of the prefetch, while the worker is busy with
   * the other half. A small prefetch is fetched as a whole: two small batches cost more
   * than is won by having both sides work at the same time.
   */
  isBatch(room: number): boolean {
    const all = Math.min(this.#prefetch, MAX_BATCH);
    return room >= (all < SMALL_PREFETCH ? all : all / 2);
  }

  /** Number of items, those that are being settled among them. */
  get size(): number {
    return this.#unsettled.size +
      this.#settling.keys().reduce((sum, batch) => sum + batch.length, 0);
  }

  /** Adds what was fetched. */
  add(deliveries: readonly RedisDelivery[]): void {
    for (const delivery of deliveries) this.#unsettled.add(delivery);
  }

  /** Takes out those that are still to be settled: not given back, nor settled before. */
  take(messages: readonly MessageProxy[]): RedisDelivery[] {
    return messages.filter((message): message is RedisDelivery =>
      this.#unsettled.delete(message as RedisDelivery)
    );
  }

  /** Takes out all that is not settled, in the order in which it was delivered. */
  takeAll(): RedisDelivery[] {
    return this.take(Array.from(this.#unsettled).sort((a, b) => a.order - b.order));
  }

  /**
   * Keeps what was taken out in mind until the server has heard of it.
   *
   * @param batch What was taken.
   * @param settled Settles when the server has answered.
   */
  async settle(batch: readonly RedisDelivery[], settled: Promise<void>): Promise<void> {
    if (batch.length === 0) return;
    this.#settling.set(batch, settled);
    try {
      await settled;
    } finally {
      this.#settling.delete(batch);
    }
  }

  /** Resolves when the server has heard of all that is being settled, or it was given up. */
  async settled(): Promise<void> {
    await Promise.allSettled(this.#settling.values());
  }

  /** Adds to a set what the queue calls all that there is. */
  addIdsTo(ids: Set<string>): void {
    for (const { id } of this.#unsettled) ids.add(id);
    for (const batch of this.#settling.keys()) {
      for (const { id } of batch) ids.add(id);
    }
  }
}

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
