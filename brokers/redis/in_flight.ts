import type { MessageProxy } from "../../core/message_proxy.ts";
import { IndexedSet } from "../../platform/indexed_set.ts";
import { nextTurn } from "../../platform/runtime.ts";
import type { RedisDelivery } from "./delivery.ts";
import { MAX_BATCH } from "./scripts.ts";

/** Prefetch below which a fetch waits until all of it is free, see `isBatch`. */
const SMALL_PREFETCH = 64;

/**
 * Unacknowledged deliveries of one consumer:
 *
 * fetched ─▶ unsettled ─(taken)▶ settling ─▶ settled
 *
 * Only unsettled deliveries count against the prefetch.
 */
export class InFlight {
  readonly #prefetch: number;
  readonly #unsettled: IndexedSet<RedisDelivery> = new IndexedSet();
  /** Batches being settled, each with a promise of the server's reply. */
  readonly #settling: Map<readonly RedisDelivery[], Promise<void>> = new Map();

  /** @param prefetch Maximum of unsettled deliveries. */
  constructor(prefetch: number) {
    this.#prefetch = prefetch;
  }

  /** Free places of the prefetch; below 0 if more deliveries have arrived than it allows. */
  get room(): number {
    return this.#prefetch - this.#unsettled.size;
  }

  /**
   * True if the room is enough for a batch: half of the prefetch, so that Redis fetches one half
   * while the worker runs the other. A small prefetch is fetched as a whole: two small batches cost
   * more than this overlap saves.
   */
  isBatch(room: number): boolean {
    const all = Math.min(this.#prefetch, MAX_BATCH);
    return room >= (all < SMALL_PREFETCH ? all : all / 2);
  }

  /** Number of deliveries, unsettled and settling. */
  get size(): number {
    return this.#unsettled.size +
      this.#settling.keys().reduce((sum, batch) => sum + batch.length, 0);
  }

  /** Adds fetched deliveries, as unsettled. */
  add(deliveries: readonly RedisDelivery[]): void {
    for (const delivery of deliveries) this.#unsettled.add(delivery);
  }

  /** Takes the unsettled ones of these messages: others were settled or given back before. */
  take(messages: readonly MessageProxy[]): RedisDelivery[] {
    return messages.filter((message): message is RedisDelivery =>
      this.#unsettled.delete(message as RedisDelivery)
    );
  }

  /** Takes all unsettled deliveries, in the order of their delivery. */
  takeAll(): RedisDelivery[] {
    return this.take(Array.from(this.#unsettled).sort((a, b) => a.order - b.order));
  }

  /**
   * Counts deliveries as settling until the server has replied.
   *
   * @param batch Deliveries that were taken.
   * @param settled Settles with the server's reply.
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

  /** Resolves when all settling deliveries are settled, or have failed to be. */
  async settled(): Promise<void> {
    await Promise.allSettled(this.#settling.values());
  }

  /** Adds the ids of all deliveries, unsettled and settling, to a set. */
  addIdsTo(ids: Set<string>): void {
    for (const { id } of this.#unsettled) ids.add(id);
    for (const batch of this.#settling.keys()) {
      for (const { id } of batch) ids.add(id);
    }
  }
}

/** Ids to acknowledge in one call. */
interface Batch {
  readonly ids: string[];
  /** Settles with the server's reply. */
  readonly sent: PromiseWithResolvers<void>;
}

/**
 * Collects acknowledgements of a consumer, and sends them in batches.
 *
 * While a fetch is pending, acknowledgements wait for its reply, and are sent with the next fetch. If
 * none follows, or none was pending, they are sent at the end of the turn.
 */
export class Acknowledgements {
  readonly #send: (ids: readonly string[]) => Promise<unknown>;
  #batch: Batch | undefined;
  /** Number of fetches that are pending or expected. */
  #fetches = 0;

  /**
   * Makes an empty collection.
   *
   * @param send Acknowledges messages, with retries during an outage.
   */
  constructor(send: (ids: readonly string[]) => Promise<unknown>) {
    this.#send = send;
  }

  /**
   * Adds deliveries.
   *
   * @returns Resolves when the server has acknowledged them.
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
   * Sends the batch with a fetch. Acknowledgements added while that is pending wait until it has
   * ended, and for another fetch in the same turn.
   *
   * @param fetch Fetches, and acknowledges these ids.
   * @returns The result of the fetch.
   */
  async sendWith<T>(fetch: (ids: readonly string[]) => Promise<T>): Promise<T> {
    const batch = this.#batch;
    this.#batch = undefined;
    this.#fetches += 1;
    try {
      const result = await fetch(batch?.ids ?? []);
      batch?.sent.resolve();
      return result;
    } catch (error) {
      // A fetch may fail, acknowledgements must not get lost. Acknowledging twice is harmless.
      if (batch !== undefined) this.#dispatch(batch);
      throw error;
    } finally {
      this.#fetchEnded();
    }
  }

  /**
   * Makes acknowledgements wait for a fetch that will begin at the end of this turn.
   *
   * @returns A function to call once that has begun, or will not.
   */
  expectFetch(): () => void {
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
