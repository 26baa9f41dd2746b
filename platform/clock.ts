/** Handle of a pending call of a {@linkcode Clock}. */
export type Timer = unknown;

/**
 * Time as brokers, workers and middleware see it: delays, limits and waits go by the
 * broker's clock, so that tests can turn its hands.
 */
export interface Clock {
  /** Milliseconds since the epoch. They jump when the clock of the machine is set. */
  now(): number;
  /**
   * Milliseconds since any moment, which never jump: for spans of time within a process. A clock
   * without it is taken never to be set.
   */
  monotonic?(): number;
  /**
   * True if servers are to go by this clock, too, rather than by their own: that of tests, which
   * turn the time of the whole system.
   *
   * @default {false}
   */
  readonly rulesServers?: boolean;
  /**
   * Gives a number from 0 up to 1, by which backoffs are spread: that of tests gives the same ones
   * in each run.
   *
   * @default {Math.random}
   */
  random?(): number;
  /** Calls back once, `ms` milliseconds from now at the earliest; never, if that is `Infinity`. */
  setTimer(callback: () => void, ms: number): Timer;
  /** Takes a pending call back; does nothing for one that has been made, or for none. */
  clearTimer(timer: Timer): void;
}

/**
 * Milliseconds after which waiting for a time of the day looks at the clock again: somebody may
 * have set it meanwhile.
 */
const CLOCK_CHECK = 10_000;

/**
 * Time to wait for a time of the day before the clock is looked at again.
 *
 * @param clock Tells the time.
 * @param time Milliseconds since the epoch.
 * @returns Milliseconds, 10,000 at the most.
 */
export function timeUntil(clock: Clock, time: number): number {
  return Math.min(Math.max(0, time - clock.now()), CLOCK_CHECK);
}

/** The longest that `setTimeout` can wait; anything above would fire at once. */
const MAX_TIMEOUT = 2 ** 31 - 1;

/** A timer that may outlast `setTimeout`. */
interface LongTimer {
  id: ReturnType<typeof setTimeout> | undefined;
}

/** The time of the machine. */
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
 * Tells how much time passes within a process, however its clock is set meanwhile.
 *
 * @param clock The time to go by.
 * @returns Milliseconds since any moment.
 */
export function monotonicTime(clock: Clock): number {
  return clock.monotonic === undefined ? clock.now() : clock.monotonic();
}

/**
 * Waits; less when a signal aborts meanwhile.
 *
 * @param clock The time to go by.
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
