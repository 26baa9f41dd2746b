import { currentSignal } from "@dq/dramatiq";

/** Waits until the signal of the calling actor aborts. @returns The reason. */
export function aborted(): Promise<unknown> {
  const signal = currentSignal();
  if (signal.aborted) return Promise.resolve(signal.reason);
  return new Promise((resolve) =>
    signal.addEventListener("abort", () => resolve(signal.reason), { once: true })
  );
}

/** Rejects when the signal of the calling actor aborts, as `fetch` does. */
export async function untilAborted(): Promise<never> {
  throw await aborted();
}
