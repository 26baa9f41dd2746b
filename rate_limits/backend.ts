/**
 * Progress of a group after one of its members was counted:
 *
 * - `waiting`: others have not been counted yet;
 * - `complete`: this was the last one, or the last one's worker died before it had sent the
 *   callbacks. The caller must send them; for {@linkcode CLAIM_TIME} no other worker does;
 * - `claimed`: another worker is sending them;
 * - `concluded`: they have been sent;
 * - `missing`: the group was never begun, or it took longer than its barrier lives.
 */
export type GroupProgress = "waiting" | "complete" | "claimed" | "concluded" | "missing";

/** Milliseconds for which only the worker that completed a group may send its callbacks. */
export const CLAIM_TIME = 10_000;

/**
 * Value of a group's counter once its callbacks have been sent. A member that a
 * Python worker runs again counts down from there, and so sends nothing.
 */
export const CONCLUDED = 2_000_000_000;

/**
 * Counters of rate limiters and barriers, shared by all users of the same keys: Python
 * programs, too.
 *
 * Seven verbs, each atomic, and two more for groups of messages. A counter is a whole number
 * that is forgotten after its `ttl`. To write one: extend this class, and run
 * `tests/conformance/rate_limiter_backend.ts` on it.
 *
 * Source: `tests/vectors/rate_limits.json`.
 */
export abstract class RateLimiterBackend implements AsyncDisposable {
  /**
   * Sets a counter, unless there is one.
   *
   * @param key The counter.
   * @param value What it is to be.
   * @param ttl Milliseconds after which it is forgotten.
   * @returns Whether it was set.
   * @throws {RangeError} If the ttl is not a whole number above 0.
   * @throws {BrokerConnectionError} If the server cannot be reached.
   */
  abstract add(key: string, value: number, ttl: number): Promise<boolean>;

  /**
   * Counts up, unless that would go beyond a maximum. A counter that is not there begins
   * at 0.
   *
   * @param key The counter.
   * @param amount By how much.
   * @param maximum What the counter may be at most.
   * @param ttl Milliseconds after which it is forgotten, from now.
   * @returns Whether it was counted.
   * @throws The same as {@linkcode RateLimiterBackend.add}.
   */
  abstract incr(key: string, amount: number, maximum: number, ttl: number): Promise<boolean>;

  /**
   * Counts down, unless that would go below a minimum.
   *
   * @param key The counter.
   * @param amount By how much.
   * @param minimum What the counter must be at least.
   * @param ttl Milliseconds after which it is forgotten, from now.
   * @returns Whether it was counted; `undefined` when there is nothing to count down from.
   * @throws The same as {@linkcode RateLimiterBackend.add}.
   */
  abstract decr(
    key: string,
    amount: number,
    minimum: number,
    ttl: number,
  ): Promise<boolean | undefined>;

  /**
   * Counts up, unless that counter or the sum of some counters would go beyond a maximum.
   *
   * @param key The counter.
   * @param keys The counters to sum up, that one among them.
   * @param amount By how much.
   * @param maximum What the sum may be at most.
   * @param ttl Milliseconds after which the counter is forgotten, from now.
   * @returns Whether it was counted.
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
   * Takes one of so many leases, renews it, or ends it. A lease ends by itself unless it is
   * renewed, by the clock of the server where there is one. To take it again renews it, so that
   * an attempt whose answer is lost can be repeated.
   *
   * @param key What the leases are of.
   * @param holder Tells the lease from others.
   * @param limit How many there may be at the same time.
   * @param ttl Milliseconds until it ends, from now; 0 ends it at once.
   * @returns Whether the holder has it now. One that has ended is not renewed, but taken again
   *   if there is room.
   * @throws {RangeError} If the ttl is not a whole number of 0 or more.
   * @throws {BrokerConnectionError} If the server cannot be reached.
   */
  abstract lease(key: string, holder: string, limit: number, ttl: number): Promise<boolean>;

  /**
   * Waits until {@linkcode RateLimiterBackend.waitNotify} is called for a key, or finds that
   * it was and is not forgotten. However many wait, they cost no connection each.
   *
   * @param key The barrier.
   * @param timeout Milliseconds to wait at most.
   * @param signal Ends the wait when it aborts.
   * @returns Whether it was called in time.
   * @throws The reason of the signal, if that aborts before.
   * @throws {ConnectionClosed} If the backend is closed.
   */
  abstract wait(key: string, timeout: number, signal?: AbortSignal): Promise<boolean>;

  /**
   * Wakes all waiters of a key, and keeps others from waiting.
   *
   * @param key The barrier.
   * @param ttl Milliseconds after which it is forgotten.
   * @returns Whether it is noted: always, or it throws.
   * @throws The same as {@linkcode RateLimiterBackend.add}.
   */
  abstract waitNotify(key: string, ttl: number): Promise<boolean>;

  /**
   * Counts a member of a group down from the barrier that `group.run()` made: once, however
   * often it is said to be done.
   *
   * @param group The key of the barrier.
   * @param member Tells the member from the others: its message id.
   * @param ttl Milliseconds after which all is forgotten, from now.
   * @returns How far the group is. Each member that is counted again after the group is
   *   complete can get to send the callbacks, until {@linkcode RateLimiterBackend.concludeGroup}.
   * @throws The same as {@linkcode RateLimiterBackend.add}.
   */
  abstract countMember(group: string, member: string, ttl: number): Promise<GroupProgress>;

  /**
   * Notes that the callbacks of a group have been sent.
   *
   * @param group The key of the barrier.
   * @param ttl Milliseconds after which that is forgotten.
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
