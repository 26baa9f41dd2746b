import { assertKnownOptions, type KnownOptions } from "../core/known_options.ts";
import { getLogger } from "../core/logging.ts";
import { errorMessage } from "../core/thrown.ts";
import type { RateLimiterBackend } from "./backend.ts";
import { RateLimiter } from "./rate_limiter.ts";
import { assertAboveZero } from "./whole_number.ts";

const log = getLogger("rate_limits");

/** Options for {@linkcode ConcurrentRateLimiter}. */
export interface ConcurrentRateLimiterOptions {
  /** How many may hold a slot at the same time. @default {1} A mutex. */
  limit?: number;
  /**
   * Milliseconds after which slots of holders that died come free. Redis counts them from the
   * last acquire or release of anybody, Memcached from the first acquire. Must be longer than
   * any slot is held: a slot held for longer is given to somebody else.
   *
   * @default {900_000}
   */
  ttl?: number;
}

const KNOWN_OPTIONS: KnownOptions<ConcurrentRateLimiterOptions> = {
  limit: true,
  ttl: true,
};

/**
 * Lets only so many do something at the same time, on all machines together. With a limit
 * of 1 it is a mutex.
 *
 * Source: scenario `concurrent` in `tests/vectors/rate_limits.json`.
 *
 * @example One at a time, whoever comes meanwhile is sent away
 * ```ts
 * import { ConcurrentRateLimiter, StubRateLimiterBackend } from "@dq/dramatiq";
 *
 * const backend = new StubRateLimiterBackend();
 * const mutex = new ConcurrentRateLimiter(backend, "rebuild-index", { limit: 1 });
 *
 * async function rebuildIndex() {
 *   await using slot = await mutex.acquire({ raiseOnFailure: false });
 *   if (!slot.acquired) return;
 *   // nobody else is here
 * }
 *
 * await rebuildIndex();
 * ```
 */
export class ConcurrentRateLimiter extends RateLimiter {
  /** Milliseconds after which slots of holders that died come free. */
  readonly ttl: number;

  /**
   * Checks and stores.
   *
   * @param backend Where to count.
   * @param key What is limited.
   * @param options The limit.
   * @throws {TypeError} If the key is no text.
   * @throws {RangeError} If a number is not a whole one above 0.
   */
  constructor(
    backend: RateLimiterBackend,
    key: string,
    options: ConcurrentRateLimiterOptions = {},
  ) {
    assertKnownOptions("ConcurrentRateLimiter", options, KNOWN_OPTIONS);
    const { limit = 1, ttl = 900_000 } = options;
    super(backend, key, limit);
    assertAboveZero(ttl, "use ttl");
    this.ttl = ttl;
  }

  /** Counts itself in. */
  protected override take(): Promise<boolean> {
    return this.backend.incr(this.key, 1, this.limit, this.ttl);
  }

  /** Counts itself out. */
  protected override async giveBack(): Promise<void> {
    try {
      await this.backend.decr(this.key, 1, 0, this.ttl);
    } catch (error) {
      log.error('A slot of "{key}" is not released, and lost for up to {ttl} ms: {reason}', {
        key: this.key,
        ttl: this.ttl,
        reason: errorMessage(error),
        error,
      });
    }
  }
}
