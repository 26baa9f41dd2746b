import { setTimeout as delay } from "node:timers/promises";

/** Options for {@linkcode until}. */
export interface UntilOptions {
  /** Milliseconds after which to give up. @default {10_000} */
  timeout?: number;
  /** Purpose of the wait, after "Cannot ". */
  what: string;
  /** Milliseconds between two looks: more for what takes seconds and is costly to look at. @default {5} */
  interval?: number;
}

/** Time of what a test waits for, if that is not the real one. */
interface PassingTime {
  advance(ms: number): Promise<unknown>;
}

const passing: Set<PassingTime> = new Set();

/**
 * Lets a clock of a test go on while something is waited for, instead of the real time.
 *
 * @param clock The clock.
 * @returns Lets it go on no more.
 */
export function passWhileWaiting(clock: PassingTime): Disposable {
  passing.add(clock);
  return { [Symbol.dispose]: () => passing.delete(clock) };
}

/** Short beside the start of any server, long beside one look at it. */
const INTERVAL = 5;
/** Milliseconds: long beside anything that tests wait for, even on a machine that is busy. */
const TIMEOUT = 30_000;

/**
 * Waits for a server, which has no signal to give, by looking again and again.
 *
 * @param condition Gives true once it has happened. An error counts as not yet.
 * @throws {Error} If it has not happened in time, with the last error as its cause.
 */
export async function until(
  condition: () => Promise<boolean>,
  { timeout = 10_000, what, interval = INTERVAL }: UntilOptions,
): Promise<void> {
  const end = performance.now() + timeout;
  let cause: unknown;
  while (performance.now() < end) {
    try {
      if (await condition()) return;
    } catch (error) {
      cause = error;
    }
    if (passing.size === 0) await delay(interval);
    for (const clock of passing) await clock.advance(interval);
  }
  throw new Error(`Cannot ${what}: it has not happened within ${timeout} ms`, { cause });
}

/**
 * Waits for something that gives no signal, with the timeout that a busy machine needs.
 *
 * @param what What is waited for, after "Cannot ".
 * @param condition Gives true once it has happened. An error counts as not yet.
 * @throws {Error} If it has not happened in time.
 */
export function eventually(
  what: string,
  condition: () => boolean | Promise<boolean>,
): Promise<void> {
  return until(async () => await condition(), { what, timeout: TIMEOUT });
}
