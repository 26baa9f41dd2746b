/** Milliseconds after which a shortened timer fires. */
const SHORT = 20;

/**
 * Shortens timers that do not go by a clock, while a test runs that must not wait for them.
 *
 * @param ms Duration of the timers in milliseconds; all others stay as they are.
 * @param run The test.
 */
export async function withShortTimers(
  ms: number | readonly number[],
  run: () => Promise<void>,
): Promise<void> {
  const durations = [ms].flat();
  const { setTimeout: original } = globalThis;
  globalThis.setTimeout = ((callback: () => void, delay?: number, ...args: []) =>
    original(
      callback,
      durations.includes(delay ?? 0) ? SHORT : delay,
      ...args,
    )) as typeof setTimeout;
  try {
    await run();
  } finally {
    globalThis.setTimeout = original;
  }
}
