import { RateLimitExceeded } from "../core/errors.ts";
import type { RateLimiterBackend } from "./backend.ts";
import { REFUSED, type Slot } from "./slot.ts";
import { assertAboveZero, assertKey } from "./whole_number.ts";

/** Options of {@linkcode RateLimiter.acquire}. */
export interface AcquireOptions {
  /**
   * Throws when the limit is reached. Without, look at `acquired`.
   *
   * @default {true}
   */
  raiseOnFailure?: boolean;
}

/** Keeps how often, or how many times at once, something is done below a limit. */
export abstract class RateLimiter {
  /** Backend that counts. */
  readonly backend: RateLimiterBackend;
  /** Key of the limit: all limiters of the same class, key and limit count together. */
  readonly key: string;
  /** Number of slots. */
  readonly limit: number;

  /**
   * Checks and stores.
   *
   * @param backend Where to count.
   * @param key What is limited.
   * @param limit How many slots there are.
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
   * Takes a slot, or fails at once: it does not wait.
   *
   * @param options What to do when there is none.
   * @returns The slot, or one that says that it was not acquired.
   * @throws {RateLimitExceeded} If the limit is reached and `raiseOnFailure` is not false.
   * @throws {BrokerConnectionError} If the server cannot be reached.
   */
  async acquire({ raiseOnFailure = true }: AcquireOptions = {}): Promise<Slot> {
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
   * Runs a function within a slot, and releases that however the function ends.
   *
   * @param work What to run. It is given the signal of the slot, see {@linkcode Slot.signal}.
   * @returns What it returned.
   * @throws {RateLimitExceeded} If the limit is reached.
   * @throws {BrokerConnectionError} If the server cannot be reached.
   * @throws What the function throws.
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
