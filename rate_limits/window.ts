import { type Clock, systemClock } from "../core/clock.ts";
import { assertKnownOptions, type KnownOptions } from "../core/known_options.ts";
import type { RateLimiterBackend } from "./backend.ts";
import { RateLimiter } from "./rate_limiter.ts";
import { takeInTime } from "./take_in_time.ts";
import { assertAboveZero } from "./whole_number.ts";

/** Options for {@linkcode WindowRateLimiter}. */
export interface WindowRateLimiterOptions {
  /** How many slots there are in any window. @default {1} */
  limit?: number;
  /** How long the window is, in whole seconds. @default {1} */
  window?: number;
  /** What tells the time. All machines should agree about it. @default {systemClock} */
  clock?: Clock;
}

const KNOWN_OPTIONS: KnownOptions<WindowRateLimiterOptions> = {
  limit: true,
  window: true,
  clock: true,
};

/**
 * Lets something be done only so often in the last so many seconds, wherever one looks.
 * Each second has a counter, and each acquire sums up those of a window, so a window of an
 * hour costs 3,600 keys: {@linkcode BucketRateLimiter} is for long ones.
 *
 * Its slots are not given back: releasing one does nothing.
 *
 * Source: scenario `window` in `tests/vectors/rate_limits.json`.
 *
 * @example A hundred calls in any ten seconds
 * ```ts
 * import { RateLimitExceeded, StubRateLimiterBackend, WindowRateLimiter } from "@dq/dramatiq";
 *
 * const backend = new StubRateLimiterBackend();
 * const limiter = new WindowRateLimiter(backend, "some-api", { limit: 100, window: 10 });
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
  /** How long the window is, in whole seconds. */
  readonly window: number;
  readonly #clock: Clock;
  /** Whose keys are at hand. */
  #second = NaN;
  #keys: readonly string[] = [];

  /**
   * Checks and stores.
   *
   * @param backend Where to count.
   * @param key What is limited.
   * @param options The limit.
   * @throws {TypeError} If the key is no text.
   * @throws {RangeError} If a number is not a whole one above 0.
   */
  constructor(backend: RateLimiterBackend, key: string, options: WindowRateLimiterOptions = {}) {
    assertKnownOptions("WindowRateLimiter", options, KNOWN_OPTIONS);
    const { limit = 1, window = 1, clock = systemClock } = options;
    super(backend, key, limit);
    assertAboveZero(window, "use window");
    this.window = window;
    this.#clock = clock;
  }

  /** Counts itself into this second, if the seconds of the window have room. */
  protected override take(): Promise<boolean> {
    const ttl = this.window * 1_000;
    return takeInTime(
      () => Math.floor(this.#clock.now() / 1_000),
      (second) => {
        const keys = this.#keysOf(second);
        return this.backend.incrAndSum(keys[0]!, keys, 1, this.limit, ttl);
      },
      (second) => this.backend.decr(`${this.key}@${second}`, 1, 0, ttl), // it is in later windows
    );
  }

  #keysOf(second: number): readonly string[] {
    if (this.#second === second) return this.#keys;
    const keys = Array.from({ length: this.window }, (_, i) => `${this.key}@${second - i}`);
    // Somebody whose clock is ahead may be in the next second already. This second is in his
    // window, too, and he has not seen us there.
    if (this.window > 1) keys.push(`${this.key}@${second + 1}`);
    this.#second = second;
    this.#keys = keys;
    return keys;
  }
}
