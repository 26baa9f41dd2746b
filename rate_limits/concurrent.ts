import { type Clock, systemClock } from "../platform/clock.ts";
import { assertKnownOptions, type KnownOptions } from "../core/known_options.ts";
import { getLogger } from "../platform/logging.ts";
import { errorMessage } from "../platform/thrown.ts";
import type { RateLimiterBackend } from "./backend.ts";
import { LeasedSlot } from "./leased_slot.ts";
import { RateLimiter } from "./rate_limiter.ts";
import { HeldSlot, type Slot } from "./slot.ts";
import { assertAboveZero } from "./whole_number.ts";

const log = /* @__PURE__ */ getLogger("rate_limits");

/** Options for {@linkcode ConcurrentRateLimiter}. */
export interface ConcurrentRateLimiterOptions {
  /** Number of slots that may be held at the same time. @default {1} A mutex. */
  limit?: number;
  /**
   * Gives each holder a lease, which it renews while it holds the slot. The slot of a holder that
   * dies is free again after `ttl` in any case. Without leases, all holders share one time
   * to live, as in Python, which each acquire renews: the slot of a dead holder is free again only
   * when the limiter has not been used for that long.
   *
   * Python does not support leases. All programs that use a key must use the same value.
   *
   * @default {false}
   */
  leases?: boolean;
  /**
   * Milliseconds after which slots of dead holders are free again. With leases, this should be
   * several times as long as the server may be unavailable or the event loop blocked: a lease that
   * is not renewed for that long is granted to another holder. Without leases, Redis counts from
   * the last acquire or release, memcached from the first acquire, and it must be longer than any
   * slot is held: a slot held for longer is granted to another holder.
   *
   * @default {900_000} With leases, 30,000.
   */
  ttl?: number;
  /** Clock of renewals. @default {systemClock} */
  clock?: Clock;
}

const KNOWN_OPTIONS: KnownOptions<ConcurrentRateLimiterOptions> = {
  limit: true,
  leases: true,
  ttl: true,
  clock: "Clock",
};

/**
 * Limits how many callers, on all machines together, do something at the same time. With a limit of 1 it
 * is a mutex. Use it with `leases: true`, unless Python programs use the same key.
 *
 * Source: scenario `concurrent` in `tests/vectors/rate_limits.json`.
 *
 * @example One holder at a time; others are refused
 * ```ts
 * import { ConcurrentRateLimiter, StubRateLimiterBackend } from "@dq/dramatiq";
 *
 * const backend = new StubRateLimiterBackend();
 * const mutex = new ConcurrentRateLimiter(backend, "rebuild-index", { leases: true });
 *
 * async function rebuildIndex() {
 *   await using slot = await mutex.acquire({ raiseOnFailure: false });
 *   if (!slot.acquired) return;
 *   // no other holder is here
 * }
 *
 * await rebuildIndex();
 * ```
 */
export class ConcurrentRateLimiter extends RateLimiter {
  /** Milliseconds after which slots of dead holders are free again. */
  readonly ttl: number;
  /** True if each holder has a lease. */
  readonly leases: boolean;
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
  constructor(
    backend: RateLimiterBackend,
    key: string,
    options: ConcurrentRateLimiterOptions = {},
  ) {
    assertKnownOptions("ConcurrentRateLimiter", options, KNOWN_OPTIONS);
    const { limit = 1, leases = false, ttl = leases ? 30_000 : 900_000 } = options;
    super(backend, key, limit);
    if (typeof leases !== "boolean") {
      throw new TypeError(`Cannot use leases ${String(leases)}: it must be true or false`);
    }
    assertAboveZero(ttl, "use ttl");
    this.ttl = ttl;
    this.leases = leases;
    this.#clock = options.clock ?? systemClock;
  }

  /** Increases the counter of holders, or takes a lease. */
  protected override async take(): Promise<Slot | undefined> {
    const { backend, key, limit, ttl } = this;
    if (this.leases) {
      return await LeasedSlot.take({ backend, key, limit, ttl, clock: this.#clock });
    }
    const isTaken = await backend.incr(key, 1, limit, ttl);
    return isTaken ? new HeldSlot(() => this.#giveBack()) : undefined;
  }

  /** Decreases the counter of holders. */
  async #giveBack(): Promise<void> {
    try {
      await this.backend.decr(this.key, 1, 0, this.ttl);
    } catch (error) {
      log.error('Failed to release a slot of "{key}", which is lost for up to {ttl} ms: {reason}', {
        key: this.key,
        ttl: this.ttl,
        reason: errorMessage(error),
        error,
      });
    }
  }
}
