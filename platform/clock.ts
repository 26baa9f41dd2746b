/** Handle of a pending call of a {@linkcode Clock}. */
export type Timer = unknown;

/**
 * The time source of brokers, workers and middleware. Delays, limits and waits use the broker's
 * clock, so that tests can replace it with a fake one.
 */
export interface Clock {
  /** Milliseconds since the epoch. Jumps when the clock of the machine is set. */
  now(): number;
  /**
   * Milliseconds since an arbitrary moment. Never jumps; measures spans of time within a process.
   * Without this method, `now` is used, and assumed never to jump.
   */
  monotonic?(): number;
  /**
   * True if scripts on servers use this clock instead of the server's own. Set by fake clocks,
   * which advance the time of the whole system under test.
   *
   * @default {false}
   */
  readonly rulesServers?: boolean;
  /**
   * Returns a number from 0 up to 1 that adds jitter to backoffs. A fake clock returns the same
   * sequence in each run.
   *
   * @default {Math.random}
   */
  random?(): number;
  /** Calls `callback` once, at least `ms` milliseconds from now; never if `ms` is `Infinity`. */
  setTimer(callback: () => void, ms: number): Timer;
  /** Cancels a pending call. Does nothing if the call was made, or `timer` is `undefined`. */
  clearTimer(timer: Timer): void;
}

/**
 * Milliseconds after which a wait for a time of day reads the clock again: it may have been set
 * meanwhile.
 */
const CLOCK_CHECK = 10_000;

/**
 * Time to sleep, while waiting for a time of day, before reading the clock again.
 *
 * @param clock The clock.
 * @param time Milliseconds since the epoch.
 * @returns Milliseconds, 10,000 at the most.
 */
export function timeUntil(clock: Clock, time: number): number {
  return Math.min(Math.max(0, time - clock.now()), CLOCK_CHECK);
}

/** Longest delay of `setTimeout`; a longer one fires at once. */
const MAX_TIMEOUT = 2 ** 31 - 1;

/** A timer whose delay may exceed that of `setTimeout`. */
interface LongTimer {
  id: ReturnType<typeof setTimeout> | undefined;
}

/** The clock of the machine. */
export const systemClock: Clock = {
  now: Date.now,
  monotonic: (): number => performance.now(),
  setTimer(callback: () => void, ms: number): Timer {
    const timer: LongTimer = { id: undefined };
    const wait = (left: number) => {
      const part = Math.min(Math.max(left, 0), MAX_TIMEOUT);
      timer.id = setTimeout(() => part < left ? wait(left - part) : callback(), part);
    };
    if (ms !== Infinity) wait(ms);
    return timer;
  },
  clearTimer(timer: Timer): void {
    clearTimeout((timer as LongTimer | undefined)?.id);
  },
};

/**
 * Reads a clock for measuring spans of time within a process.
 *
 * @param clock The clock.
 * @returns Milliseconds since an arbitrary moment.
 */
export function monotonicTime(clock: Clock): number {
  return clock.monotonic === undefined ? clock.now() : clock.monotonic();
}

/**
 * Waits until a time has passed or a signal aborts.
 *
 * @param clock The clock.
 * @param ms Milliseconds.
 * @param signal Ends the wait.
 */
export async function pause(clock: Clock, ms: number, signal?: AbortSignal): Promise<void> {
  await new Promise<void>((resolve) => {
    const wake = () => {
      clock.clearTimer(timer);
      signal?.removeEventListener("abort", wake);
      resolve();
    };
    const timer = clock.setTimer(wake, ms);
    signal?.addEventListener("abort", wake);
  });
}
