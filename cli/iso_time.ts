/**
 * A time for programs. Times of messages and of the control store may be any number.
 *
 * @param ms Milliseconds since the epoch.
 * @returns The time as ISO 8601 in UTC; `null` if it is unknown or no date.
 */
export function isoTime(ms: number | undefined): string | null {
  if (ms === undefined) return null;
  const date = new Date(ms);
  return Number.isNaN(date.getTime()) ? null : date.toISOString();
}
