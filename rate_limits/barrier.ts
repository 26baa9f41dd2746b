import { BarrierNotFound } from "../core/errors.ts";
import { assertKnownOptions, checkKnownOptions, type KnownOptions } from "../core/known_options.ts";
import { unlessAborted } from "../platform/unless_aborted.ts";
import type { RateLimiterBackend } from "./backend.ts";
import { assertAboveZero, assertKey } from "./whole_number.ts";

/** Options for {@linkcode Barrier}. */
export interface BarrierOptions {
  /**
   * Time to live of the barrier in milliseconds: on Redis from the last arrival, on Memcached from its
   * creation.
   *
   * @default {900_000}
   */
  ttl?: number;
}

/** Options of {@linkcode Barrier.wait}. */
export interface BarrierWaitOptions {
  /** Waits for the other parties. If false, only counts the arrival. @default {true} */
  block?: boolean;
  /** Maximum of milliseconds to wait. @default {ttl} The time to live of the barrier. */
  timeout?: number;
  /** Ends the wait when it aborts. The arrival stays counted. */
  signal?: AbortSignal;
}

const KNOWN_OPTIONS: KnownOptions<BarrierOptions> = {
  ttl: true,
};
const WAIT_OPTIONS: KnownOptions<BarrierWaitOptions> = {
  block: "boolean",
  timeout: true,
  signal: "AbortSignal",
};

/**
 * Synchronisation point of a number of parties on any machines: all continue when the last one has
 * arrived.
 *
 * Each call of {@linkcode Barrier.wait} is an arrival; a party that calls it twice, for example
 * because its message ran twice, counts twice. Once cleared, the barrier stays cleared for later
 * arrivals until its time to live is over.
 *
 * Source: scenario `barrier` in `tests/vectors/rate_limits.json`.
 *
 * @example Two parties
 * ```ts
 * import { Barrier, StubRateLimiterBackend } from "@dq/dramatiq";
 *
 * const backend = new StubRateLimiterBackend();
 * const barrier = new Barrier(backend, "both-exports-done", { ttl: 60_000 });
 *
 * await barrier.create(2);
 * const [first, second] = await Promise.all([barrier.wait(), barrier.wait()]);
 * console.log(first, second); // true true
 * ```
 */
export class Barrier {
  /** Backend that counts. */
  readonly backend: RateLimiterBackend;
  /** Name of the barrier, the same for all parties. */
  readonly key: string;
  /** Time to live in milliseconds. */
  readonly ttl: number;

  /**
   * Checks and stores the options.
   *
   * @param backend Backend that counts.
   * @param key Name of the barrier, the same for all parties.
   * @param options The time to live.
   * @throws {TypeError} If the key is not a string.
   * @throws {RangeError} If the ttl is not a whole number above 0.
   */
  constructor(backend: RateLimiterBackend, key: string, options: BarrierOptions = {}) {
    assertKnownOptions("Barrier", options, KNOWN_OPTIONS);
    const { ttl = 900_000 } = options;
    assertKey(key);
    assertAboveZero(ttl, "use ttl");
    this.backend = backend;
    this.key = key;
    this.ttl = ttl;
  }

  /**
   * Creates the barrier, before the first arrival.
   *
   * @param parties Number of parties.
   * @returns False if it exists, cleared or not. It does not change then.
   * @throws {RangeError} If `parties` is not a whole number above 0.
   * @throws {BrokerConnectionError} If the server cannot be reached.
   */
  async create(parties: number): Promise<boolean> {
    assertAboveZero(parties, `create barrier "${this.key}" for parties`);
    return await this.backend.add(this.key, parties, this.ttl);
  }

  /**
   * Arrives at the barrier, and waits for the others.
   *
   * @param options Whether and how long to wait.
   * @returns Whether all parties have arrived.
   * @throws {BarrierNotFound} If it was not created, or has expired.
   * @throws The reason of the signal, if it aborts before.
   * @throws {BrokerConnectionError} If the server cannot be reached.
   */
  async wait(options: BarrierWaitOptions = {}): Promise<boolean> {
    checkKnownOptions("wait at a barrier", options, WAIT_OPTIONS);
    const { block = true, timeout = this.ttl, signal } = options;
    if (!(timeout >= 0)) {
      throw new RangeError(`Cannot wait for ${String(timeout)} ms: it must be 0 or more`);
    }
    signal?.throwIfAborted();
    const isEarly = await unlessAborted(this.backend.decr(this.key, 1, 1, this.ttl), signal);
    if (isEarly === undefined) {
      throw new BarrierNotFound(
        `Cannot wait at barrier "${this.key}": it was not created, or its time to live is over`,
      );
    }
    if (!isEarly) return await this.backend.waitNotify(this.key, this.ttl);
    return block && await this.backend.wait(this.key, timeout, signal);
  }
}
