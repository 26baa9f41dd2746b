import type { Clock } from "../../platform/clock.ts";

/** Number of keys from which on those without leases are searched for. */
const MIN_PURGE_SIZE = 1_024;

/** Leases in the memory of this process. */
export class StubLeases {
  readonly #clock: Clock;
  /** Expiry of each lease, by key and holder. */
  readonly #ends: Map<string, Map<string, number>> = new Map();
  #purgeAt = MIN_PURGE_SIZE;

  /**
   * Makes a collection without leases.
   *
   * @param clock Clock of expiries.
   */
  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Takes, renews or ends a lease, as `RateLimiterBackend.lease`. */
  lease(key: string, holder: string, limit: number, ttl: number): boolean {
    const ends = this.#current(key);
    const mayHold = ttl > 0 && (ends.has(holder) || ends.size < limit);
    if (mayHold) ends.set(holder, this.#clock.now() + ttl);
    else if (ttl === 0) ends.delete(holder);
    if (ends.size === 0) this.#ends.delete(key);
    else this.#keep(key, ends);
    return mayHold;
  }

  #current(key: string): Map<string, number> {
    const ends = this.#ends.get(key) ?? new Map<string, number>();
    const now = this.#clock.now();
    for (const [holder, end] of ends) if (end <= now) ends.delete(holder);
    return ends;
  }

  #keep(key: string, ends: Map<string, number>): void {
    this.#ends.set(key, ends);
    if (this.#ends.size < this.#purgeAt) return;
    for (const one of this.#ends.keys()) if (this.#current(one).size === 0) this.#ends.delete(one);
    this.#purgeAt = Math.max(MIN_PURGE_SIZE, 2 * this.#ends.size);
  }
}
