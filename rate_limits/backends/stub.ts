import { type Clock, systemClock } from "../../platform/clock.ts";
import { ConnectionClosed } from "../../core/errors.ts";
import { assertKnownOptions, assertSignal, type KnownOptions } from "../../core/known_options.ts";
import { CLAIM_TIME, CONCLUDED, type GroupProgress, RateLimiterBackend } from "../backend.ts";
import { assertAboveZero, assertLeaseTtl } from "../whole_number.ts";
import { StubLeases } from "./stub_leases.ts";
import { KeyWaiters } from "../../platform/key_waiters.ts";

/** Options for {@linkcode StubRateLimiterBackend}. */
export interface StubRateLimiterBackendOptions {
  /** Clock of expiries. @default {systemClock} */
  clock?: Clock;
}

/** A counter with its expiry. */
interface Entry {
  value: number;
  expiresAt: number;
}

/** Number of entries from which on expired ones are searched for. */
const MIN_PURGE_SIZE = 1_024;

const KNOWN_OPTIONS: KnownOptions<StubRateLimiterBackendOptions> = {
  clock: "Clock",
};

/**
 * Counters in the memory of this process: for tests, and for programs with a single process. It behaves
 * like {@linkcode RedisRateLimiterBackend}.
 *
 * @example Count without a server
 * ```ts
 * import { BucketRateLimiter, StubRateLimiterBackend } from "@dq/dramatiq";
 *
 * const limiter = new BucketRateLimiter(new StubRateLimiterBackend(), "mails", { limit: 2 });
 * await limiter.acquire();
 * ```
 */
export class StubRateLimiterBackend extends RateLimiterBackend {
  readonly #clock: Clock;
  readonly #entries: Map<string, Entry> = new Map();
  readonly #leases: StubLeases;
  readonly #waiters: KeyWaiters;
  #purgeAt = MIN_PURGE_SIZE;
  #isClosed = false;

  /**
   * Makes a backend without counters.
   *
   * @param options The clock.
   */
  constructor(options: StubRateLimiterBackendOptions = {}) {
    assertKnownOptions("StubRateLimiterBackend", options, KNOWN_OPTIONS);
    super();
    this.#clock = options.clock ?? systemClock;
    this.#leases = new StubLeases(this.#clock);
    this.#waiters = new KeyWaiters(this.#clock);
  }

  /** Sets a counter, unless there is one. */
  // deno-lint-ignore require-await -- errors reject, as in other backends
  override async add(key: string, value: number, ttl: number): Promise<boolean> {
    this.#check(ttl);
    return this.#add(key, value, ttl);
  }

  /** Increases a counter, unless it would exceed a maximum. */
  // deno-lint-ignore require-await -- errors reject, as in other backends
  override async incr(key: string, amount: number, maximum: number, ttl: number): Promise<boolean> {
    this.#check(ttl);
    const value = (this.#get(key) ?? 0) + amount;
    if (value > maximum) return false;
    this.#set(key, value, ttl);
    return true;
  }

  /** Decreases a counter, unless it would fall below a minimum. */
  // deno-lint-ignore require-await -- errors reject, as in other backends
  override async decr(
    key: string,
    amount: number,
    minimum: number,
    ttl: number,
  ): Promise<boolean | undefined> {
    this.#check(ttl);
    const current = this.#get(key);
    const value = (current ?? 0) - amount;
    if (value < minimum) return current === undefined ? undefined : false;
    this.#set(key, value, ttl);
    return true;
  }

  /** Increases a counter, unless it, or the sum of some counters, would exceed a maximum. */
  // deno-lint-ignore require-await -- errors reject, as in other backends
  override async incrAndSum(
    key: string,
    keys: readonly string[],
    amount: number,
    maximum: number,
    ttl: number,
  ): Promise<boolean> {
    this.#check(ttl);
    const value = (this.#get(key) ?? 0) + amount;
    let sum = amount;
    for (const one of keys) sum += this.#get(one) ?? 0;
    if (value > maximum || sum > maximum) return false;
    this.#set(key, value, ttl);
    return true;
  }

  /** Takes, renews or ends a lease. */
  // deno-lint-ignore require-await -- errors reject, as in other backends
  override async lease(key: string, holder: string, limit: number, ttl: number): Promise<boolean> {
    assertLeaseTtl(ttl);
    this.#checkOpen();
    return this.#leases.lease(key, holder, limit, ttl);
  }

  /** Waits until {@linkcode StubRateLimiterBackend.waitNotify} is called for a key, or was called. */
  override async wait(key: string, timeout: number, signal?: AbortSignal): Promise<boolean> {
    assertSignal("wait", signal);
    this.#check(1);
    signal?.throwIfAborted();
    return this.#get(eventsKey(key)) !== undefined ||
      await this.#waiters.wait(key, timeout, signal);
  }

  /** Wakes all waiters of a key, present and future ones. */
  // deno-lint-ignore require-await -- errors reject, as in other backends
  override async waitNotify(key: string, ttl: number): Promise<boolean> {
    this.#check(ttl);
    this.#set(eventsKey(key), 1, ttl);
    this.#waiters.wake(key);
    return true;
  }

  /** Counts a member of a group, once. */
  // deno-lint-ignore require-await -- errors reject, as in other backends
  override async countMember(group: string, member: string, ttl: number): Promise<GroupProgress> {
    this.#check(ttl);
    const left = this.#get(group);
    if (left === undefined) return "missing";
    if (left > CONCLUDED / 2) return "concluded";
    if (this.#add(`${group}@member:${member}`, 1, ttl)) {
      if (left > 1) {
        this.#set(group, left - 1, ttl);
        return "waiting";
      }
      this.#set(`${group}@complete`, 1, ttl);
    } else if (this.#get(`${group}@complete`) === undefined) {
      return "waiting";
    }
    return this.#add(`${group}@claim`, 1, CLAIM_TIME) ? "complete" : "claimed";
  }

  /** Notes that the callbacks of a group have been sent. */
  // deno-lint-ignore require-await -- errors reject, as in other backends
  override async concludeGroup(group: string, ttl: number): Promise<void> {
    this.#check(ttl);
    this.#set(group, CONCLUDED, ttl);
  }

  /** Fails all waiters. */
  // deno-lint-ignore require-await -- asynchronous in other backends
  override async close(): Promise<void> {
    this.#isClosed = true;
    this.#waiters.failAll(new ConnectionClosed("Cannot wait: the backend is closed"));
  }

  #check(ttl: number): void {
    assertAboveZero(ttl, "use ttl");
    this.#checkOpen();
  }

  #checkOpen(): void {
    if (this.#isClosed) throw new ConnectionClosed("Cannot count: the backend is closed");
  }

  #get(key: string): number | undefined {
    const entry = this.#entries.get(key);
    return entry !== undefined && entry.expiresAt > this.#clock.now() ? entry.value : undefined;
  }

  #add(key: string, value: number, ttl: number): boolean {
    if (this.#get(key) !== undefined) return false;
    this.#set(key, value, ttl);
    return true;
  }

  #set(key: string, value: number, ttl: number): void {
    this.#entries.set(key, { value, expiresAt: this.#clock.now() + ttl });
    if (this.#entries.size < this.#purgeAt) return;
    // Searching each time their number has doubled costs next to nothing per call.
    for (const one of this.#entries.keys()) {
      if (this.#get(one) === undefined) this.#entries.delete(one);
    }
    this.#purgeAt = Math.max(MIN_PURGE_SIZE, 2 * this.#entries.size);
  }
}

function eventsKey(key: string): string {
  return `${key}@events`;
}
