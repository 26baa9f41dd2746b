import { RateLimitExceeded } from "../core/errors.ts";
import { checkKnownOptions, type KnownOptions } from "../core/known_options.ts";
import type { RateLimiterBackend } from "./backend.ts";
import { REFUSED, type Slot } from "./slot.ts";
import { assertAboveZero, assertKey } from "./whole_number.ts";

/** Options of {@linkcode RateLimiter.acquire}. */
export interface AcquireOptions {
  /**
   * Throws if the limit is reached. If false, check `acquired`.
   *
   * @default {true}
   */
  raiseOnFailure?: boolean;
}

const ACQUIRE_OPTIONS: KnownOptions<AcquireOptions> = { raiseOnFailure: "boolean" };

/** Base class of limits on how often, or how many times at once, something is done. */
export abstract class RateLimiter {
  /** Backend that counts. */
  readonly backend: RateLimiterBackend;
  /** Key of the limit: all limiters of the same class, key and limit count together. */
  readonly key: string;
  /** Number of slots. */
  readonly limit: number;

  /**
   * Checks and stores the options.
   *
   * @param backend Backend that counts.
   * @param key Name of the limit.
   * @param limit Number of slots.
   * @throws {TypeError} If the key is not a string.
   * @throws {RangeError} If the limit is not a whole number above 0.
   */
  constructor(backend: RateLimiterBackend, key: string, limit: number) {
    assertKey(key);
    assertAboveZero(limit, "use limit");
    this.backend = backend;
    this.key = key;
    this.limit = limit;
  }

  /** Takes a slot if there is one. */
  protected abstract take(): Promise<Slot | undefined>;

  /**
   * Takes a slot. It does not wait for one.
   *
   * @param options Whether to throw if the limit is reached.
   * @returns The slot; its `acquired` is false if the limit is reached.
   * @throws {TypeError} If an option is not known.
   * @throws {RateLimitExceeded} If the limit is reached and `raiseOnFailure` is not false.
   * @throws {BrokerConnectionError} If the server cannot be reached.
   */
  async acquire(options: AcquireOptions = {}): Promise<Slot> {
    checkKnownOptions("acquire", options, ACQUIRE_OPTIONS);
    const { raiseOnFailure = true } = options;
    const slot = await this.take();
    if (slot !== undefined) return slot;
    if (raiseOnFailure) {
      throw new RateLimitExceeded(
        `Cannot acquire "${this.key}": its limit of ${this.limit} is reached`,
      );
    }
    return REFUSED;
  }

  /**
   * Runs a function while holding a slot, and releases the slot afterwards.
   *
   * @param work The function. Its parameter is the signal of the slot, see {@linkcode Slot.signal}.
   * @returns What it returned.
   * @throws {RateLimitExceeded} If the limit is reached.
   * @throws {BrokerConnectionError} If the server cannot be reached.
   * @throws The error of the function.
   */
  async run<T>(work: (signal?: AbortSignal) => T | Promise<T>): Promise<T> {
    const slot = await this.acquire();
    try {
      return await work(slot.signal);
    } finally {
      await slot.release();
    }
  }
}
