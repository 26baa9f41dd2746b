import { setTimeout as delay } from "node:timers/promises";

/** Options for {@linkcode until}. */
export interface UntilOptions {
  /** Milliseconds after which to give up. @default {10_000} */
  timeout?: number;
  /** What is waited for, after "Cannot ". */
  what: string;
}

/** Short beside the start of any server, long beside one look at it. */
const INTERVAL = 5;

/**
 * Waits for a server, which has no signal to give, by looking again and again.
 *
 * @param condition Gives true once it has happened. An error counts as not yet.
 * @throws {Error} If it has not happened in time, with the last error as its cause.
 */
export async function until(
  condition: () => Promise<boolean>,
  { timeout = 10_000, what }: UntilOptions,
): Promise<void> {
  const end = performance.now() + timeout;
  let cause: unknown;
  while (performance.now() < end) {
    try {
      if (await condition()) return;
    } catch (error) {
      cause = error;
    }
    await delay(INTERVAL);
  }
  throw new Error(`Cannot ${what}: it has not happened within ${timeout} ms`, { cause });
}
