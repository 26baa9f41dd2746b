import type { Clock, Timer } from "../platform/clock.ts";

/** A pending call. */
interface PendingCall {
  readonly at: number;
  readonly callback: () => void;
}

/** Default start time of a {@linkcode VirtualClock}; constant, so that runs are reproducible. */
export const DEFAULT_START: number = /* @__PURE__ */ Date.UTC(2025, 0, 1);

/**
 * A clock that stands still until it is advanced. A `TestBroker` has one; share it with result
 * backends, rate limiters or other brokers of the test.
 *
 * @example A result backend with the clock of the broker
 * ```ts
 * import { StubResultBackend } from "@dq/dramatiq";
 * import { TestBroker, VirtualClock } from "@dq/dramatiq/testing";
 *
 * const clock = new VirtualClock("2026-03-29T00:00:00Z");
 * const kit = new TestBroker({ clock });
 * const backend = new StubResultBackend({ clock });
 * await kit.close();
 * await backend.close();
 * ```
 */
export class VirtualClock implements Clock {
  /** Scripts on servers use this clock, too. */
  readonly rulesServers: boolean = true;
  #now: number;
  #seed = 1;
  /**
   * In the order in which they were set; of several with the same time, the first is called first.
   */
  readonly #timers: Set<PendingCall> = new Set();

  /**
   * Sets the start time.
   *
   * @param now A date, a text that `Date` can parse, or milliseconds since the epoch.
   * @throws {RangeError} If it is not a valid time.
   */
  constructor(now: Date | string | number = DEFAULT_START) {
    const isTime = now instanceof Date || typeof now === "string" || typeof now === "number";
    this.#now = isTime ? new Date(now).getTime() : NaN;
    if (Number.isNaN(this.#now)) {
      throw new RangeError(`Cannot set a clock to ${String(now)}: it is not a time`);
    }
  }

  /** Milliseconds since the epoch. */
  now(): number {
    return this.#now;
  }

  /** The next number, from 0 up to 1, of a sequence that is the same in each run. */
  random(): number {
    // A linear congruential generator with the constants of Numerical Recipes: enough for jitter.
    this.#seed = (Math.imul(this.#seed, 1_664_525) + 1_013_904_223) >>> 0;
    return this.#seed / 2 ** 32;
  }

  /** Number of pending calls. */
  get pendingTimers(): number {
    return this.#timers.size;
  }

  /** When the next pending call is due; `Infinity` if there is none. */
  get nextTimerAt(): number {
    return this.#next()?.at ?? Infinity;
  }

  /**
   * Calls `callback` once the clock has advanced by `ms` milliseconds; never if `ms` is `Infinity`.
   */
  setTimer(callback: () => void, ms: number): Timer {
    const timer: PendingCall = { at: this.#now + Math.max(ms, 0), callback };
    if (ms !== Infinity) this.#timers.add(timer);
    return timer;
  }

  /** Cancels a pending call. */
  clearTimer(timer: Timer): void {
    this.#timers.delete(timer as PendingCall);
  }

  /**
   * Advances to the next pending call and makes it, if it is due by `until`; otherwise advances to
   * `until`. Asynchronous work of the call continues once the caller awaits something.
   *
   * @param until Milliseconds since the epoch. A time in the past has no effect.
   * @returns Whether a call was made.
   */
  step(until: number): boolean {
    const next = this.#next();
    const isDue = next !== undefined && next.at <= Math.max(until, this.#now);
    this.#now = Math.max(this.#now, isDue ? next.at : until);
    if (!isDue) return false;
    this.#timers.delete(next);
    next.callback();
    return true;
  }

  #next(): PendingCall | undefined {
    let next: PendingCall | undefined;
    for (const timer of this.#timers) {
      if (next === undefined || timer.at < next.at) next = timer;
    }
    return next;
  }
}
