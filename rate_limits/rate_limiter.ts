import { RateLimitExceeded } from "../core/errors.ts";
import type { RateLimiterBackend } from "./backend.ts";
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

/** What {@linkcode RateLimiter.acquire} gives. Leaving its scope, by `await using`, releases it. */
export interface Slot extends AsyncDisposable {
  /** Whether there was room: go on only if so. */
  readonly acquired: boolean;
  /**
   * Makes room for others. It never throws: what the caller did is done, and a slot that could
   * not be given back (which is logged) comes free when its time to live is over.
   */
  release(): Promise<void>;
}

const DONE: Promise<void> = Promise.resolve();

/** Keeps how often, or how many times at once, something is done below a limit. */
export abstract class RateLimiter {
  /** Where it counts. */
  readonly backend: RateLimiterBackend;
  /** What is limited: all limiters of the same class, key and limit count together. */
  readonly key: string;
  /** How many slots there are. */
  readonly limit: number;

  /**
   * Checks and stores.
   *
   * @param backend Where to count.
   * @param key What is limited.
   * @param limit How many slots there are.
   * @throws {TypeError} If the key is no text.
   * @throws {RangeError} If the limit is not a whole number above 0.
   */
  constructor(backend: RateLimiterBackend, key: string, limit: number) {
    assertKey(key);
    assertAboveZero(limit, "use limit");
    this.backend = backend;
    this.key = key;
    this.limit = limit;
  }

  /** Takes a slot if there is one, and tells whether there was. */
  protected abstract take(): Promise<boolean>;

  /** Gives a slot back, in limiters whose slots are not used up. Must not throw. */
  protected giveBack?(): Promise<void>;

  /**
   * Takes a slot, or fails at once: it does not wait.
   *
   * @param options What to do when there is none.
   * @returns The slot, or one that says that it was not acquired.
   * @throws {RateLimitExceeded} If the limit is reached and `raiseOnFailure` is not false.
   * @throws {BrokerConnectionError} If the server cannot be reached.
   */
  async acquire({ raiseOnFailure = true }: AcquireOptions = {}): Promise<Slot> {
    if (await this.take()) {
      return this.giveBack === undefined ? USED_UP : new HeldSlot(this.giveBack.bind(this));
    }
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
   * @param work What to run.
   * @returns What it returned.
   * @throws {RateLimitExceeded} If the limit is reached.
   * @throws {BrokerConnectionError} If the server cannot be reached.
   * @throws What the function throws.
   */
  async run<T>(work: () => T | Promise<T>): Promise<T> {
    const slot = await this.acquire();
    try {
      return await work();
    } finally {
      await slot.release();
    }
  }
}

class HeldSlot implements Slot {
  readonly acquired = true;
  #giveBack: (() => Promise<void>) | undefined;

  constructor(giveBack: () => Promise<void>) {
    this.#giveBack = giveBack;
  }

  release(): Promise<void> {
    const giveBack = this.#giveBack;
    this.#giveBack = undefined; // a slot is given back once
    return giveBack === undefined ? DONE : giveBack();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.release();
  }
}

const nothing = { release: () => DONE, [Symbol.asyncDispose]: () => DONE };
const USED_UP: Slot = Object.freeze({ acquired: true, ...nothing });
const REFUSED: Slot = Object.freeze({ acquired: false, ...nothing });
