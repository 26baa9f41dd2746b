/** Milliseconds until the first reminder. */
const FIRST = 10_000;
/** Milliseconds between later reminders. */
const LATER = 300_000;

/**
 * Reminds of something that has not ended: after ten seconds, then every five minutes. Its timer
 * keeps no process running.
 *
 * @param remind Called with the seconds so far.
 * @returns A function to call at the end.
 */
export function remindUntilEnded(remind: (seconds: number) => void): () => void {
  const startedAt = performance.now();
  let timer: ReturnType<typeof setTimeout>;
  const wait = (ms: number): void => {
    timer = setTimeout(() => {
      wait(LATER);
      remind(Math.round((performance.now() - startedAt) / 1_000));
    }, ms);
    (timer as { unref?(): void }).unref?.();
  };
  wait(FIRST);
  return () => clearTimeout(timer);
}
