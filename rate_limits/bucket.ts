import { type Clock, systemClock } from "../platform/clock.ts";
import { assertKnownOptions, type KnownOptions } from "../core/known_options.ts";
import type { RateLimiterBackend } from "./backend.ts";
import { RateLimiter } from "./rate_limiter.ts";
import { type Slot, USED_UP } from "./slot.ts";
import { takeInTime } from "./take_in_time.ts";
import { assertAboveZero } from "./whole_number.ts";

/** Options for {@linkcode BucketRateLimiter}. */
export interface BucketRateLimiterOptions {
  /** Number of slots of a bucket. @default {1} */
  limit?: number;
  /** Length of a bucket in milliseconds. @default {1_000} */
  bucket?: number;
  /** Clock, which should agree on all machines. @default {systemClock} */
  clock?: Clock;
}

const KNOWN_OPTIONS: KnownOptions<BucketRateLimiterOptions> = {
  limit: true,
  bucket: true,
  clock: "Clock",
};

/**
 * Limits how often something is done in fixed periods: from 12:00:00 to 12:00:10, then from 12:00:10 to
 * 12:00:20, and so on. It is cheap and coarse: around the end of a bucket, twice the limit can pass. Use a
 * sliding {@linkcode WindowRateLimiter} to prevent that.
 *
 * Releasing a slot does nothing. A slot that is granted after the end of its bucket is not used: if the
 * server takes longer to answer than a bucket lasts, it grants none.
 *
 * Source: scenario `bucket` in `tests/vectors/rate_limits.json`.
 *
 * @example Ten a minute for each customer
 * ```ts
 * import { actor, BucketRateLimiter, setBroker, StubBroker, StubRateLimiterBackend } from "@dq/dramatiq";
 *
 * setBroker(new StubBroker());
 * const backend = new StubRateLimiterBackend();
 *
 * export const notify = actor(async function notify(customer: string) {
 *   const limiter = new BucketRateLimiter(backend, `notify:${customer}`, {
 *     limit: 10,
 *     bucket: 60_000,
 *   });
 *   await limiter.acquire(); // throws when there were ten already: the message is retried later
 * });
 * ```
 */
export class BucketRateLimiter extends RateLimiter {
  /** Length of a bucket in milliseconds. */
  readonly bucket: number;
  readonly #clock: Clock;

  /**
   * Checks and stores the options.
   *
   * @param backend Backend that counts.
   * @param key Name of the limit.
   * @param options The limit.
   * @throws {TypeError} If the key is not a string.
   * @throws {RangeError} If a number is not a whole number above 0.
   */
  constructor(backend: RateLimiterBackend, key: string, options: BucketRateLimiterOptions = {}) {
    assertKnownOptions("BucketRateLimiter", options, KNOWN_OPTIONS);
    const { limit = 1, bucket = 1_000, clock = systemClock } = options;
    super(backend, key, limit);
    assertAboveZero(bucket, "use bucket");
    this.bucket = bucket;
    this.#clock = clock;
  }

  /** Takes a slot of the present bucket, if there is one. */
  protected override async take(): Promise<Slot | undefined> {
    const isTaken = await takeInTime(() => {
      const now = this.#clock.now();
      return now - now % this.bucket;
    }, (start) => this.backend.incr(`${this.key}@${start}`, 1, this.limit, this.bucket));
    return isTaken ? USED_UP : undefined;
  }
}
