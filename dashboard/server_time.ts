import type { Reading } from "./reader.ts";

/** The present by the clock of the server, from which all times of messages are. */
export function serverTime({ snapshot }: Reading): number {
  const now = Date.now();
  return snapshot === undefined ? now : snapshot.now + (now - snapshot.readAt);
}
