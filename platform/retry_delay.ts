/** Milliseconds between two attempts to connect, at most: a server that is back is found soon. */
const LONGEST_DELAY = 1_000;

/** @returns Milliseconds until the next attempt to connect: they grow, and differ. */
export function retryDelay(attempt: number): number {
  const longest = Math.min(50 * 2 ** Math.min(attempt, 10), LONGEST_DELAY);
  return longest * (0.5 + Math.random() / 2);
}
