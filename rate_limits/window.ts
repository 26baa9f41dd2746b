import { type Clock, monotonicTime, systemClock } from "../platform/clock.ts";
import { assertKnownOptions, type KnownOptions } from "../core/known_options.ts";
import { randomUuid } from "../platform/runtime.ts";
import type { RateLimiterBackend } from "./backend.ts";
import { RateLimiter } from "./rate_limiter.ts";
import { type Slot, USED_UP } from "./slot.ts";
import { ATTEMPTS, takeInTime } from "./take_in_time.ts";
import { assertAboveZero } from "./whole_number.ts";

/** Options for {@linkcode WindowRateLimiter}. */
export interface WindowRateLimiterOptions {
  /** Number of slots in any window. @default {1} */
  limit?: number;
  /** Length of the window, in whole seconds. @default {1} */
  window?: number;
  /**
   * Lets the window slide with the clock of the server: at no time have more than `limit` slots
   * been granted within the last `window` seconds. Otherwise, as in Python, windows consist of
   * whole seconds by the clocks of the callers: twice the limit can pass within little more than
   * `window - 1` seconds, and with a window of one second at once, at the turn of a second.
   *
   * Python does not support sliding windows. All programs that use a key must use the same value.
   *
   * @default {false}
   */
  sliding?: boolean;
  /**
   * Clock, which should agree on all machines. A sliding window only measures with it how long answers
   * take.
   *
   * @default {systemClock}
   */
  clock?: Clock;
}

/** Share of the window after which an answer is late, and the slot is renewed. */
const LATE = 0.1;

const KNOWN_OPTIONS: KnownOptions<WindowRateLimiterOptions> = {
  limit: true,
  window: true,
  sliding: true,
  clock: "Clock",
};

/**
 * Limits how often something is done within a window of seconds: with `sliding: true` in any such window,
 * otherwise in windows of whole seconds, as in Python.
 *
 * A sliding window stores each slot until it has left the window. Otherwise each second has a counter, and
 * each acquire sums the counters of the window: a window of an hour needs 3,600 keys. For large limits and
 * long windows, use {@linkcode BucketRateLimiter}.
 *
 * Releasing a slot does nothing.
 *
 * Source: scenario `window` in `tests/vectors/rate_limits.json`.
 *
 * @example A hundred calls in any ten seconds
 * ```ts
 * import { RateLimitExceeded, StubRateLimiterBackend, WindowRateLimiter } from "@dq/dramatiq";
 *
 * const backend = new StubRateLimiterBackend();
 * const limiter = new WindowRateLimiter(backend, "some-api", {
 *   limit: 100,
 *   window: 10,
 *   sliding: true,
 * });
 *
 * try {
 *   await limiter.acquire();
 * } catch (error) {
 *   if (!(error instanceof RateLimitExceeded)) throw error;
 *   console.log("not now");
 * }
 * ```
 */
export class WindowRateLimiter extends RateLimiter {
  /** Length of the window, in whole seconds. */
  readonly window: number;
  /** True if the window slides with the time. */
  readonly sliding: boolean;
  readonly #clock: Clock;
  /** The second of `#keys`. */
  #second = NaN;
  #keys: readonly string[] = [];

  /**
   * Checks and stores the options.
   *
   * @param backend Backend that counts.
   * @param key Name of the limit.
   * @param options The limit.
   * @throws {TypeError} If the key is not a string.
   * @throws {RangeError} If a number is not a whole number above 0.
   */
  constructor(backend: RateLimiterBackend, key: string, options: WindowRateLimiterOptions = {}) {
    assertKnownOptions("WindowRateLimiter", options, KNOWN_OPTIONS);
    const { limit = 1, window = 1, sliding = false, clock = systemClock } = options;
    super(backend, key, limit);
    assertAboveZero(window, "use window");
    if (typeof sliding !== "boolean") {
      throw new TypeError(`Cannot use sliding ${String(sliding)}: it must be true or false`);
    }
    this.window = window;
    this.sliding = sliding;
    this.#clock = clock;
  }

  /** Takes a slot, if there is one. */
  protected override async take(): Promise<Slot | undefined> {
    return await (this.sliding ? this.#takeSliding() : this.#takeOfSecond()) ? USED_UP : undefined;
  }

  /** Takes a lease with the length of the window, which is not released. */
  async #takeSliding(): Promise<boolean> {
    const { backend, key, limit, window } = this;
    const holder = randomUuid();
    for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
      const asked = monotonicTime(this.#clock);
      // A second attempt renews the lease: after a late answer the slot is used later, and counts longer.
      if (!await backend.lease(`${key}@sliding`, holder, limit, window * 1_000)) return false;
      if (monotonicTime(this.#clock) - asked <= window * 1_000 * LATE) return true;
    }
    await backend.lease(`${key}@sliding`, holder, limit, 0);
    return false;
  }

  /** Increases the counter of this second, if the sum of the window allows it. */
  #takeOfSecond(): Promise<boolean> {
    const ttl = this.window * 1_000;
    return takeInTime(
      () => Math.floor(this.#clock.now() / 1_000),
      (second) => {
        const keys = this.#keysOf(second);
        return this.backend.incrAndSum(keys[0]!, keys, 1, this.limit, ttl);
      },
      (second) => this.backend.decr(`${this.key}@${second}`, 1, 0, ttl), // later windows include it
    );
  }

  #keysOf(second: number): readonly string[] {
    if (this.#second === second) return this.#keys;
    const keys = Array.from({ length: this.window }, (_, i) => `${this.key}@${second - i}`);
    // A caller whose clock is ahead may have counted in the next second, with a window that includes this
    // one, before this caller has counted.
    if (this.window > 1) keys.push(`${this.key}@${second + 1}`);
    this.#second = second;
    this.#keys = keys;
    return keys;
  }
}
