import type { Clock, Timer } from "../../platform/clock.ts";
import { nextTurn } from "../../platform/runtime.ts";

interface PendingCall {
  readonly at: number;
  readonly callback: () => void;
}

/** Promise chains of the library end within one turn; a consumer may add one of its own. */
const TURNS_TO_SETTLE = 3;

/**
 * A clock that stands still until a test moves it, for the servers too. Between two timers it lets
 * promise callbacks run, so that what the first one started is under way when
 * the second one fires.
 */
export class FakeClock implements Clock {
  /** True if servers go by it, too. */
  readonly rulesServers: boolean;
  #now: number;
  /** By how much somebody has set it since. */
  #jumped = 0;
  /** In the order in which they were set, which decides between two of the same time. */
  readonly #timers: Set<PendingCall> = new Set();

  /**
   * @param now Where its hands stand, in milliseconds since the epoch.
   * @param rulesServers Whether servers go by it, too.
   */
  constructor(now = 1_600_000_000_000, rulesServers = true) {
    this.#now = now;
    this.rulesServers = rulesServers;
  }

  /** Number of calls that are pending. */
  get pendingTimers(): number {
    return this.#timers.size;
  }

  /** Milliseconds since the epoch. */
  now(): number {
    return this.#now + this.#jumped;
  }

  /** Milliseconds that do not jump. */
  monotonic(): number {
    return this.#now;
  }

  /** Sets the clock as somebody sets that of a machine: no time passes. */
  jump(ms: number): void {
    this.#jumped += ms;
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

  /** Lets everything run that does not wait for this clock. */
  async settle(): Promise<void> {
    for (let turn = 0; turn < TURNS_TO_SETTLE; turn++) await nextTurn();
  }

  /** Moves the hands, and makes the calls that become due on the way, in order. */
  async advance(ms: number): Promise<void> {
    const end = this.#now + ms;
    await this.settle();
    let next: PendingCall | undefined;
    while ((next = this.#nextTimer()) !== undefined && next.at <= end) {
      this.#now = Math.max(this.#now, next.at);
      this.#timers.delete(next);
      next.callback();
      await this.settle();
    }
    this.#now = end;
  }

  /**
   * Moves the hands to the next pending call and makes it.
   *
   * @throws If none is pending.
   */
  async advanceToNext(): Promise<void> {
    await this.settle();
    const next = this.#nextTimer();
    if (next === undefined) throw new Error("Cannot advance: no timer is pending");
    await this.advance(next.at - this.#now);
  }

  /**
   * Moves from timer to timer until a promise has settled.
   *
   * @returns What the promise resolves to.
   * @throws What it rejects with, or an error when there is nothing left to wait for.
   */
  async waitFor<T>(promise: Promise<T>): Promise<T> {
    let isSettled = false;
    const note = () => {
      isSettled = true;
    };
    promise.then(note, note);
    await this.settle();
    while (!isSettled) await this.advanceToNext();
    return await promise;
  }

  #nextTimer(): PendingCall | undefined {
    let next: PendingCall | undefined;
    for (const timer of this.#timers) {
      if (next === undefined || timer.at < next.at) next = timer;
    }
    return next;
  }
}
