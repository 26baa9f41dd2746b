/** Longest delay in milliseconds. Short, so that a server is used soon after it has restarted. */
const LONGEST_DELAY = 1_000;

/** @returns Milliseconds before the next attempt to connect: exponential backoff with jitter. */
export function retryDelay(attempt: number): number {
  const longest = Math.min(50 * 2 ** Math.min(attempt, 10), LONGEST_DELAY);
  return longest * (0.5 + Math.random() / 2);
}
