/**
 * Stands in for `jsr:@std/async` where JSR cannot be reached: the part of it that
 * tests and benchmarks use, with the same signatures.
 *
 * @module
 */

/** Options for {@linkcode delay}. */
export interface DelayOptions {
  /** Ends the wait early. */
  signal?: AbortSignal;
  /** False to let the process end meanwhile. @default {true} */
  persistent?: boolean;
}

/** Resolves after some milliseconds. */
export function delay(ms: number, options: DelayOptions = {}): Promise<void> {
  const { signal, persistent = true } = options;
  if (signal?.aborted) return Promise.reject(signal.reason);
  return new Promise((resolve, reject) => {
    const onAbort = () => {
      clearTimeout(timer);
      reject(signal!.reason);
    };
    const timer = setTimeout(() => {
      signal?.removeEventListener("abort", onAbort);
      resolve();
    }, ms);
    if (!persistent) (timer as unknown as { unref?(): void }).unref?.();
    signal?.addEventListener("abort", onAbort, { once: true });
  });
}

/** Options for {@linkcode deadline}. */
export interface DeadlineOptions {
  /** Ends the wait early. */
  signal?: AbortSignal;
}

/** Rejects with a `TimeoutError` if a promise takes longer than some milliseconds. */
export async function deadline<T>(
  promise: Promise<T>,
  ms: number,
  { signal }: DeadlineOptions = {},
): Promise<T> {
  const { promise: late, reject } = Promise.withResolvers<never>();
  const timer = setTimeout(
    () => reject(new DOMException("Signal timed out.", "TimeoutError")),
    ms,
  );
  const abort = () => reject(signal!.reason);
  if (signal?.aborted) abort();
  signal?.addEventListener("abort", abort, { once: true });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
    signal?.removeEventListener("abort", abort);
  }
}
