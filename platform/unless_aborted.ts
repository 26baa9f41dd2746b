/**
 * Waits for a promise until a signal aborts.
 *
 * @param work The promise. After an abort its work continues, and its outcome is ignored.
 * @param signal Ends the wait.
 * @returns The value of the promise.
 * @throws The reason of the signal, if it aborts first.
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
