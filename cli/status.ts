import type { WorkerStatus } from "./ipc.ts";

/** State of a worker process. */
interface Progress {
  /** True if it has started to work. */
  readonly isReady: boolean;
  /** True if it was told to stop. */
  readonly isStopping: boolean;
}

/**
 * Formats the status of a worker process.
 *
 * @param status The status; `undefined` if the process did not answer.
 * @param progress The state.
 * @returns A text, and properties for programs.
 */
export function formatStatus(
  status: WorkerStatus | undefined,
  { isReady, isStopping }: Progress,
): [text: string, properties: Record<string, unknown>] {
  if (!isReady) return ["Status: starting", {}];
  if (status === undefined) {
    return ["Status: no answer, its event loop is busy: an actor computes there, or is stuck", {}];
  }
  const { uptime, inFlight, done, failed, retried, oldest } = status;
  const parts = [
    ...(isStopping ? ["finishing"] : []),
    `up ${formatDuration(uptime)}`,
    `${inFlight} in flight`,
    `${done} done`,
    `${failed} failed`,
    `${retried} retried`,
  ];
  const counts = { uptime, inFlight, done, failed, retried };
  if (oldest === undefined) return [`Status: ${parts.join(", ")}`, counts];
  const { messageId, actor, queue, runningFor } = oldest;
  parts.push(`oldest ${messageId} of ${actor} for ${formatDuration(runningFor)}`);
  return [`Status: ${parts.join(", ")}`, { ...counts, messageId, actor, queue, runningFor }];
}

/**
 * A span of time for people.
 *
 * @param ms Milliseconds.
 * @returns For example `4.2 s`, `3 min 7 s`, `2 d 5 h`.
 */
export function formatDuration(ms: number): string {
  if (ms < 60_000) return `${(ms / 1_000).toFixed(1)} s`;
  const seconds = Math.floor(ms / 1_000);
  const parts: [number, string][] = [
    [Math.floor(seconds / 86_400), "d"],
    [Math.floor(seconds / 3_600) % 24, "h"],
    [Math.floor(seconds / 60) % 60, "min"],
    [seconds % 60, "s"],
  ];
  const first = parts.findIndex(([count]) => count > 0);
  return parts.slice(first, first + 2).map(([count, unit]) => `${count} ${unit}`).join(" ");
}
