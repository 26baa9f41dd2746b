import type { Reading } from "./reader.ts";

/**
 * The current time by the clock of the server, which is also the clock of all times of messages.
 */
export function serverTime({ snapshot }: Reading): number {
  const now = Date.now();
  return snapshot === undefined ? now : snapshot.now + (now - snapshot.readAt);
}
