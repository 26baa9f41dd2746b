/**
 * Progress of a group after one of its members was counted:
 *
 * - `waiting`: others have not been counted yet;
 * - `complete`: this was the last one, or the last one's worker died before it had sent the
 *   callbacks. The caller must send them; for {@linkcode CLAIM_TIME} no other worker does;
 * - `claimed`: another worker is sending them;
 * - `concluded`: they have been sent;
 * - `missing`: the group was never begun, or its barrier has expired.
 */
export type GroupProgress = "waiting" | "complete" | "claimed" | "concluded" | "missing";

/** Milliseconds for which only the worker that completed a group may send its callbacks. */
export const CLAIM_TIME = 10_000;

/**
 * Value of a group's counter once its callbacks have been sent. If a Python worker runs a member again, it
 * counts down from there, and sends nothing.
 */
export const CONCLUDED = 2_000_000_000;

/**
 * Counters of rate limiters and barriers, shared by all programs that use the same keys, in Python, too.
 *
 * It has seven atomic operations, and two more for groups of messages. A counter is a whole number with a
 * time to live. To write a backend: extend this class, and run
 * `tests/conformance/rate_limiter_backend.ts` on it.
 *
 * Source: `tests/vectors/rate_limits.json`.
 */
export abstract class RateLimiterBackend implements AsyncDisposable {
  /**
   * Sets a counter, unless there is one.
   *
   * @param key The counter.
   * @param value Its value.
   * @param ttl Time to live in milliseconds.
   * @returns Whether it was set.
   * @throws {RangeError} If the ttl is not a whole number above 0.
   * @throws {BrokerConnectionError} If the server cannot be reached.
   */
  abstract add(key: string, value: number, ttl: number): Promise<boolean>;

  /**
   * Increases a counter, unless it would exceed a maximum. A missing counter is 0.
   *
   * @param key The counter.
   * @param amount The increment.
   * @param maximum The maximum.
   * @param ttl Time to live in milliseconds, from now.
   * @returns Whether it was increased.
   * @throws The same as {@linkcode RateLimiterBackend.add}.
   */
  abstract incr(key: string, amount: number, maximum: number, ttl: number): Promise<boolean>;

  /**
   * Decreases a counter, unless it would fall below a minimum.
   *
   * @param key The counter.
   * @param amount The decrement.
   * @param minimum The minimum.
   * @param ttl Time to live in milliseconds, from now.
   * @returns Whether it was decreased; `undefined` if there is no such counter.
   * @throws The same as {@linkcode RateLimiterBackend.add}.
   */
  abstract decr(
    key: string,
    amount: number,
    minimum: number,
    ttl: number,
  ): Promise<boolean | undefined>;

  /**
   * Increases a counter, unless it, or the sum of some counters, would exceed a maximum.
   *
   * @param key The counter.
   * @param keys The counters to sum, `key` included.
   * @param amount The increment.
   * @param maximum The maximum.
   * @param ttl Time to live of the counter in milliseconds, from now.
   * @returns Whether it was increased.
   * @throws The same as {@linkcode RateLimiterBackend.add}.
   */
  abstract incrAndSum(
    key: string,
    keys: readonly string[],
    amount: number,
    maximum: number,
    ttl: number,
  ): Promise<boolean>;

  /**
   * Takes, renews or ends a lease. It expires unless it is renewed, by the clock of the server if there is
   * one. Taking a lease again renews it, so that a call whose answer is lost can be repeated.
   *
   * @param key Key of the leases.
   * @param holder Unique id of the holder.
   * @param limit Maximum of leases at the same time.
   * @param ttl Time to live in milliseconds, from now; 0 ends it at once.
   * @returns Whether the holder has a lease now. An expired lease is taken again if there is room.
   * @throws {RangeError} If the ttl is not a whole number of 0 or more.
   * @throws {BrokerConnectionError} If the server cannot be reached.
   */
  abstract lease(key: string, holder: string, limit: number, ttl: number): Promise<boolean>;

  /**
   * Waits until {@linkcode RateLimiterBackend.waitNotify} is called for a key, or was called within its
   * time to live. All waiters share the connections of the backend.
   *
   * @param key The barrier.
   * @param timeout Maximum of milliseconds to wait.
   * @param signal Ends the wait when it aborts.
   * @returns False after the timeout.
   * @throws The reason of the signal, if it aborts before.
   * @throws {ConnectionClosed} If the backend is closed.
   */
  abstract wait(key: string, timeout: number, signal?: AbortSignal): Promise<boolean>;

  /**
   * Wakes all waiters of a key. Later calls of `wait` resolve at once, until the time to live is over.
   *
   * @param key The barrier.
   * @param ttl Time to live in milliseconds.
   * @returns Always true.
   * @throws The same as {@linkcode RateLimiterBackend.add}.
   */
  abstract waitNotify(key: string, ttl: number): Promise<boolean>;

  /**
   * Counts a member of a group, once: repeated calls for the same member are not counted.
   *
   * @param group Key of the barrier that `group.run()` made.
   * @param member Message id of the member.
   * @param ttl Time to live in milliseconds, from now.
   * @returns Progress of the group. When it is complete, further calls may also return `complete`, until
   *   {@linkcode RateLimiterBackend.concludeGroup} is called.
   * @throws The same as {@linkcode RateLimiterBackend.add}.
   */
  abstract countMember(group: string, member: string, ttl: number): Promise<GroupProgress>;

  /**
   * Notes that the callbacks of a group have been sent.
   *
   * @param group Key of the barrier.
   * @param ttl Time to live of that information, in milliseconds.
   * @throws The same as {@linkcode RateLimiterBackend.add}.
   */
  abstract concludeGroup(group: string, ttl: number): Promise<void>;

  /** Closes all connections. Waiters get an error. */
  abstract close(): Promise<void>;

  /** Closes the backend. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }
}
