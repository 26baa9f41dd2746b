import { ConnectionClosed } from "../../core/errors.ts";
import { assertKnownOptions, assertSignal, type KnownOptions } from "../../core/known_options.ts";
import { MemcachedConnection, type MemcachedOptions } from "../../clients/memcached/connection.ts";
import { type GroupProgress, RateLimiterBackend } from "../backend.ts";
import { assertAboveZero, assertLeaseTtl } from "../whole_number.ts";
import { BarrierPoll } from "./barrier_poll.ts";
import { MemcachedGroups } from "./memcached_groups.ts";
import { MemcachedLeases } from "./memcached_leases.ts";
import { type Storing, storing } from "./memcached_storing.ts";

/** Options for {@linkcode MemcachedRateLimiterBackend}: where Memcached is. */
export type MemcachedRateLimiterBackendOptions = MemcachedOptions;

const KNOWN_OPTIONS: KnownOptions<MemcachedRateLimiterBackendOptions> = {
  servers: true,
  username: true,
  password: true,
};
/** Names of such options in other libraries, for error texts. */
const OTHER_SPELLINGS = {
  host: "servers",
  pool: "servers",
};

/**
 * Counts in Memcached, with the keys and values of Python's dramatiq: both languages share
 * limits and barriers.
 *
 * Memcached can count, but not compare before it counts. So an operation reads first, then counts,
 * and undoes that if others were faster. A limit is never exceeded. When several callers compete,
 * more of them may be refused than necessary, because a count beyond the limit blocks others until
 * it is undone.
 *
 * Other differences:
 *
 * - The time to live of a counter starts when it is created, not at the last change. A {@linkcode
 *   ConcurrentRateLimiter} without leases forgets its holders then, and lets others in beside them:
 *   its `ttl` must be far longer than any slot is held.
 * - Each lease has its own key; acquiring one reads all of these keys.
 * - Memcached loses data when it is full or restarted. Limits then start afresh.
 * - It counts down to 0 and no further.
 * - Barriers with waiters are polled twenty times a second, once per process.
 *
 * Source: `tests/vectors/rate_limits.json`.
 *
 * @example Five at a time on all machines
 * ```ts
 * import { ConcurrentRateLimiter, MemcachedRateLimiterBackend } from "@dq/dramatiq";
 *
 * const backend = new MemcachedRateLimiterBackend({ servers: "127.0.0.1:11211" });
 * const limiter = new ConcurrentRateLimiter(backend, "render", { limit: 5 });
 * ```
 */
export class MemcachedRateLimiterBackend extends RateLimiterBackend {
  readonly #connection: MemcachedConnection;
  readonly #groups: MemcachedGroups;
  readonly #leases: MemcachedLeases;
  /** By server. */
  readonly #barriers: BarrierPoll[] = [];
  #isClosed = false;

  /**
   * Stores the addresses of Memcached; the first operation connects.
   *
   * @param options The addresses.
   * @throws {TypeError} If one of them is not an address.
   */
  constructor(options: MemcachedRateLimiterBackendOptions = {}) {
    assertKnownOptions("MemcachedRateLimiterBackend", options, KNOWN_OPTIONS, OTHER_SPELLINGS);
    super();
    this.#connection = new MemcachedConnection(options);
    this.#groups = new MemcachedGroups(this.#connection);
    this.#leases = new MemcachedLeases(this.#connection);
  }

  /** Sets a counter, unless there is one. */
  override async add(key: string, value: number, ttl: number): Promise<boolean> {
    return await this.#connection.add(key, String(value), storing(ttl));
  }

  /** Increases a counter, unless it would exceed a maximum. */
  override async incr(key: string, amount: number, maximum: number, ttl: number): Promise<boolean> {
    const options = storing(ttl);
    if (await this.#sum([key]) + amount > maximum) return false;
    const value = await this.#countUp(key, amount, options);
    if (value <= maximum) return true;
    await this.#connection.decrement(key, amount);
    return false;
  }

  /** Counts down, to 0 at least; true if the result is not below a minimum. */
  override async decr(
    key: string,
    amount: number,
    minimum: number,
    ttl: number,
  ): Promise<boolean | undefined> {
    assertAboveZero(ttl, "use ttl");
    const value = await this.#connection.decrement(key, amount);
    return value === undefined ? undefined : value >= minimum;
  }

  /** Increases a counter, unless it, or the sum of some counters, would exceed a maximum. */
  override async incrAndSum(
    key: string,
    keys: readonly string[],
    amount: number,
    maximum: number,
    ttl: number,
  ): Promise<boolean> {
    const options = storing(ttl);
    if (await this.#sum(keys) + amount > maximum) return false;
    const value = await this.#countUp(key, amount, options);
    // Only after counting: among concurrent callers, the last one to count sees all the others. While
    // the server of a counter is unavailable the sum is unknown, and no caller is admitted.
    let isWithin = false;
    try {
      isWithin = value <= maximum && await this.#sum(keys) <= maximum;
      return isWithin;
    } finally {
      if (!isWithin) await this.#connection.decrement(key, amount);
    }
  }

  /** Takes, renews or ends a lease. */
  override async lease(key: string, holder: string, limit: number, ttl: number): Promise<boolean> {
    assertLeaseTtl(ttl);
    return await this.#leases.lease(key, holder, limit, ttl);
  }

  /** Waits until a counter is 0, or {@linkcode MemcachedRateLimiterBackend.waitNotify} makes it so. */
  override async wait(key: string, timeout: number, signal?: AbortSignal): Promise<boolean> {
    assertSignal("wait", signal);
    if (this.#isClosed) throw new ConnectionClosed("Cannot wait: the backend is closed");
    const server = this.#connection.serverOf(key);
    const barriers = this.#barriers[server] ??= new BarrierPoll(this.#connection);
    return await barriers.wait(key, timeout, signal);
  }

  /** Wakes all waiters of a key, present and future ones. */
  override async waitNotify(key: string, ttl: number): Promise<boolean> {
    await this.#connection.set(key, "0", storing(ttl));
    return true;
  }

  /** Counts a member of a group, once. */
  override async countMember(group: string, member: string, ttl: number): Promise<GroupProgress> {
    return await this.#groups.countMember(group, member, ttl);
  }

  /** Notes that the callbacks of a group have been sent. */
  override async concludeGroup(group: string, ttl: number): Promise<void> {
    await this.#groups.concludeGroup(group, ttl);
  }

  /** Closes all connections. Waiters get an error. */
  // deno-lint-ignore require-await -- other backends have something to wait for
  override async close(): Promise<void> {
    this.#isClosed = true;
    this.#connection.close();
    const error = new ConnectionClosed("Cannot wait: the backend is closed");
    for (const barriers of this.#barriers) barriers?.close(error); // a server without barriers has none
  }

  /** Sends both requests together; the second reads the counter that the first may have added. */
  async #countUp(key: string, amount: number, options: Storing): Promise<number> {
    const [, value] = await Promise.all([
      this.#connection.add(key, "0", options),
      this.#connection.increment(key, amount),
    ]);
    return value ?? Infinity; // evicted in that moment, by a server that is full
  }

  async #sum(keys: readonly string[]): Promise<number> {
    let sum = 0;
    for (const { value } of (await this.#connection.getMany(keys)).values()) sum += toNumber(value);
    return sum;
  }
}

/** Memcached pads a number that has become shorter with blanks. */
function toNumber(value: Uint8Array): number {
  return Number(new TextDecoder().decode(value));
}
