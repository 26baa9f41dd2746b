import type { Clock, Timer } from "../platform/clock.ts";

/** A call that is to be made at a time. */
interface PendingCall {
  readonly at: number;
  readonly callback: () => void;
}

/** When the time of a {@linkcode VirtualClock} begins unless it is told: the same in each run. */
export const DEFAULT_START: number = /* @__PURE__ */ Date.UTC(2025, 0, 1);

/**
 * A clock that stands still until it is moved. A `TestBroker` has one; give it to whatever else is to
 * go by the time of the test: result backends, rate limiters, another broker.
 *
 * @example Result and broker by the same time
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
  /** Servers that are asked go by it, too. */
  readonly rulesServers: boolean = true;
  #now: number;
  #seed = 1;
  /** In the order in which they were set, which decides between two of the same time. */
  readonly #timers: Set<PendingCall> = new Set();

  /**
   * Sets the clock.
   *
   * @param now Its time: a date, what `Date` reads, or milliseconds since the epoch.
   * @throws {RangeError} If that is no time.
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

  /** The next of a series of numbers from 0 up to 1, which is the same in each run. */
  random(): number {
    // A linear congruential generator with the constants of Numerical Recipes: to spread backoffs.
    this.#seed = (Math.imul(this.#seed, 1_664_525) + 1_013_904_223) >>> 0;
    return this.#seed / 2 ** 32;
  }

  /** Number of calls that are pending. */
  get pendingTimers(): number {
    return this.#timers.size;
  }

  /** When the next pending call is due; `Infinity` if there is none. */
  get nextTimerAt(): number {
    return this.#next()?.at ?? Infinity;
  }

  /** Calls back when the clock has been moved that far; never, if that is `Infinity`. */
  setTimer(callback: () => void, ms: number): Timer {
    const timer: PendingCall = { at: this.#now + Math.max(ms, 0), callback };
    if (ms !== Infinity) this.#timers.add(timer);
    return timer;
  }

  /** Takes a pending call back. */
  clearTimer(timer: Timer): void {
    this.#timers.delete(timer as PendingCall);
  }

  /**
   * Moves to the next pending call and makes it, if it is due until then; else to that time. What the
   * call has begun goes on once the caller waits for something.
   *
   * @param until Milliseconds since the epoch. A time that is past moves nothing.
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
