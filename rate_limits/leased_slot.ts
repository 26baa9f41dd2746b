import { type Clock, monotonicTime, type Timer } from "../platform/clock.ts";
import { getLogger } from "../platform/logging.ts";
import { randomUuid } from "../platform/runtime.ts";
import { errorMessage } from "../platform/thrown.ts";
import type { RateLimiterBackend } from "./backend.ts";
import type { Slot } from "./slot.ts";

const log = /* @__PURE__ */ getLogger("rate_limits");

/** Number of times a lease is renewed while it lasts. */
const RENEWALS = 3;
/** Number of times a renewal is repeated while the lease lasts, if the server is unavailable. */
const ATTEMPTS = 10;

/** Options of a lease. */
export interface LeaseOptions {
  readonly backend: RateLimiterBackend;
  /** That of the limiter. */
  readonly key: string;
  readonly limit: number;
  /** Milliseconds until it ends unless it is renewed. */
  readonly ttl: number;
  /** Clock of renewals. */
  readonly clock: Clock;
}

/**
 * A slot that ends by itself unless its holder renews it, as it does three times in each `ttl`.
 *
 *          ┌ renewed ┐
 *          ▼         │
 * ─take─▶ held ──────┴─release─▶ released
 *           └─ not renewed in time, or refused ─▶ lost, the signal aborts
 *
 * Its end is reckoned from before the request that took or renewed it was sent: the server, which
 * reckons from when the request arrives, gives it to nobody else before that.
 */
export class LeasedSlot implements Slot {
  /** It was. */
  readonly acquired = true;
  readonly #options: LeaseOptions;
  readonly #holder: string;
  readonly #aborter: AbortController = new AbortController();
  #state: "held" | "released" | "lost" = "held";
  #renewal: Timer;
  #end: Timer;
  /** Why the last attempt to renew it failed. */
  #failure: unknown;

  /**
   * Begins to renew it.
   *
   * @param options What it is a lease of.
   * @param holder Tells it from others.
   * @param left Milliseconds that are left of it.
   */
  private constructor(options: LeaseOptions, holder: string, left: number) {
    this.#options = options;
    this.#holder = holder;
    this.#begin(left);
  }

  /**
   * Takes one, if there is room.
   *
   * @throws {BrokerConnectionError} If the server cannot be reached.
   */
  static async take(options: LeaseOptions): Promise<LeasedSlot | undefined> {
    const { backend, key, limit, ttl, clock } = options;
    const holder = randomUuid();
    const asked = monotonicTime(clock);
    if (!await backend.lease(leasesOf(key), holder, limit, ttl)) return undefined;
    const left = asked + ttl - monotonicTime(clock);
    if (left > 0) return new LeasedSlot(options, holder, left);
    await backend.lease(leasesOf(key), holder, limit, 0); // it has ended on the way
    return undefined;
  }

  /** Aborts when it has ended before it was released. */
  get signal(): AbortSignal {
    return this.#aborter.signal;
  }

  /** Makes room for others. */
  async release(): Promise<void> {
    const state = this.#state;
    if (state === "released") return;
    this.#leave("released");
    const { backend, key, limit, ttl } = this.#options;
    try {
      await backend.lease(leasesOf(key), this.#holder, limit, 0);
    } catch (error) {
      if (state === "lost") return;
      log.error('Failed to release a slot of "{key}", which ends after up to {ttl} ms: {reason}', {
        key,
        ttl,
        reason: errorMessage(error),
        error,
      });
    }
  }

  /** As {@linkcode LeasedSlot.release}. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.release();
  }

  #begin(left: number): void {
    const { clock, ttl } = this.#options;
    clock.clearTimer(this.#end);
    this.#end = clock.setTimer(() => this.#lost(), left);
    this.#renewal = clock.setTimer(() => void this.#renew(), Math.min(left, ttl / RENEWALS));
  }

  async #renew(): Promise<void> {
    const { backend, key, limit, ttl, clock } = this.#options;
    const asked = monotonicTime(clock);
    try {
      const isHeld = await backend.lease(leasesOf(key), this.#holder, limit, ttl);
      if (this.#state !== "held") return await this.#giveBack();
      const left = asked + ttl - monotonicTime(clock);
      if (!isHeld) this.#lost();
      else if (left > 0) this.#begin(left);
    } catch (error) {
      if (this.#state !== "held") return;
      this.#failure = error;
      this.#renewal = clock.setTimer(() => void this.#renew(), ttl / ATTEMPTS);
    }
  }

  /** Takes back what was renewed after it was released or lost. */
  async #giveBack(): Promise<void> {
    const { backend, key, limit } = this.#options;
    await backend.lease(leasesOf(key), this.#holder, limit, 0).catch(() => {}); // it ends by itself
  }

  #lost(): void {
    this.#leave("lost");
    const { key, ttl } = this.#options;
    const reason = this.#failure === undefined
      ? "it was not renewed in time"
      : errorMessage(this.#failure);
    const error = new Error(`Cannot hold a slot of "${key}": its lease of ${ttl} ms has ended`, {
      cause: this.#failure,
    });
    log.error('Lost a slot of "{key}", whose lease of {ttl} ms has ended: {reason}', {
      key,
      ttl,
      reason,
      error,
    });
    this.#aborter.abort(error);
  }

  #leave(state: "released" | "lost"): void {
    const { clock } = this.#options;
    this.#state = state;
    clock.clearTimer(this.#end);
    clock.clearTimer(this.#renewal);
  }
}

/** Beside the counter of the same name, in which Python's dramatiq counts holders. */
function leasesOf(key: string): string {
  return `${key}@leases`;
}
