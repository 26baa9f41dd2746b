import { type Clock, monotonicTime, type Timer } from "../platform/clock.ts";
import { getLogger } from "../platform/logging.ts";
import { randomUuid } from "../platform/runtime.ts";
import { errorMessage } from "../platform/thrown.ts";
import type { RateLimiterBackend } from "./backend.ts";
import type { Slot } from "./slot.ts";

const log = /* @__PURE__ */ getLogger("rate_limits");

/** Number of renewals within the time to live of a lease. */
const RENEWALS = 3;
/** Number of attempts to renew within the time to live, if the server is unavailable. */
const ATTEMPTS = 10;

/** Options of a lease. */
export interface LeaseOptions {
  readonly backend: RateLimiterBackend;
  /** Key of the limiter. */
  readonly key: string;
  readonly limit: number;
  /** Time to live in milliseconds, unless it is renewed. */
  readonly ttl: number;
  /** Clock of renewals. */
  readonly clock: Clock;
}

/**
 * A slot that expires unless it is renewed, which happens three times within each `ttl`.
 *
 *          ┌ renewed ┐
 *          ▼         │
 * ─take─▶ held ──────┴─release─▶ released
 *           └─ not renewed in time, or refused ─▶ lost, the signal aborts
 *
 * Its end is calculated from the time before the request was sent. The server calculates from the arrival
 * of the request, and so does not grant the slot to another holder before that end.
 */
export class LeasedSlot implements Slot {
  /** Always true. */
  readonly acquired = true;
  readonly #options: LeaseOptions;
  readonly #holder: string;
  readonly #aborter: AbortController = new AbortController();
  #state: "held" | "released" | "lost" = "held";
  #renewal: Timer;
  #end: Timer;
  /** Error of the last attempt to renew it. */
  #failure: unknown;

  /**
   * Begins to renew a lease.
   *
   * @param options The lease.
   * @param holder Unique id of the holder.
   * @param left Milliseconds until it expires.
   */
  private constructor(options: LeaseOptions, holder: string, left: number) {
    this.#options = options;
    this.#holder = holder;
    this.#begin(left);
  }

  /**
   * Takes a lease, if there is room.
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
    await backend.lease(leasesOf(key), holder, limit, 0); // it has expired before the answer
    return undefined;
  }

  /** Signal that aborts when the lease expires before it was released. */
  get signal(): AbortSignal {
    return this.#aborter.signal;
  }

  /** Ends the lease. */
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

  /** Ends a lease that was renewed after it was released or lost. */
  async #giveBack(): Promise<void> {
    const { backend, key, limit } = this.#options;
    await backend.lease(leasesOf(key), this.#holder, limit, 0).catch(() => {}); // it expires
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

/** Not the key itself, which is the counter of holders of Python's dramatiq. */
function leasesOf(key: string): string {
  return `${key}@leases`;
}
