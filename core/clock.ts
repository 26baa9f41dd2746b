/** What a {@linkcode Clock} gives for a pending call. */
export type Timer = unknown;

/**
 * Time as the library sees it. Everything that waits or compares times asks the
 * broker's clock, so that tests can turn its hands.
 */
export interface Clock {
  /** Milliseconds since the epoch. */
  now(): number;
  /** Calls back once, `ms` milliseconds from now at the earliest. */
  setTimer(callback: () => void, ms: number): Timer;
  /** Takes a pending call back; does nothing for one that has been made. */
  clearTimer(timer: Timer): void;
}

/** The longest that `setTimeout` can wait; anything above fires at once. */
const MAX_TIMEOUT = 2 ** 31 - 1;

/** The time of the machine. */
export const systemClock: Clock = {
  now: Date.now,
  setTimer(callback: () => void, ms: number): Timer {
    // A timer that fires early does no harm: who set it compares times and sets it again.
    return setTimeout(callback, Math.min(Math.max(ms, 0), MAX_TIMEOUT));
  },
  clearTimer(timer: Timer): void {
    clearTimeout(timer as number);
  },
};
