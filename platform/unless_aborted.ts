/**
 * Waits for some work, but not when a signal aborts: an unavailable server takes its time.
 *
 * @param work What is under way. It goes on, and nobody hears of its end.
 * @param signal Ends the wait.
 * @returns What comes of it.
 * @throws The reason of the signal, if that aborts before.
 */
export async function unlessAborted<T>(
  work: Promise<T>,
  signal: AbortSignal | undefined,
): Promise<T> {
  if (signal === undefined) return await work;
  const { promise, reject } = Promise.withResolvers<never>();
  const aborted = () => reject(signal.reason);
  signal.addEventListener("abort", aborted);
  try {
    return await Promise.race([work, promise]);
  } finally {
    signal.removeEventListener("abort", aborted);
  }
}
