import type { Schedule } from "../core/schedules.ts";
import { hexDigest } from "../platform/digest.ts";
import { everyTicks, type Ticks } from "./every.ts";

/**
 * Makes the times of a schedule. The first cron pattern loads `croner`.
 *
 * @param schedule The schedule.
 * @returns Its times.
 */
export async function ticksOf({ cron, timeZone = "UTC", every = 0 }: Schedule): Promise<Ticks> {
  if (cron === undefined) return everyTicks(every);
  const { cronTicks } = await import("./cron.ts");
  return cronTicks(cron, timeZone);
}

/**
 * The latest time in a range, found by bisection.
 *
 * @param ticks The times.
 * @param after Start of the range, exclusive.
 * @param until End of the range, inclusive.
 * @returns The time; `undefined` if there is none.
 */
export function latestTick(ticks: Ticks, after: number, until: number): number | undefined {
  let latest = ticks.next(after);
  if (latest === undefined || latest > until) return undefined;
  // Invariant: no time in (end, until].
  for (let end = until; end - latest > 1;) {
    const middle = latest + Math.floor((end - latest) / 2);
    const next = ticks.next(middle);
    if (next !== undefined && next <= end) latest = next;
    else end = middle;
  }
  const last = ticks.next(latest);
  return last !== undefined && last <= until ? last : latest;
}

/** Identifies the times of a schedule. When it changes, the schedule starts afresh. */
export function timingOf({ cron, timeZone, every }: Schedule): string {
  return cron === undefined ? `every ${every}` : `${cron} ${timeZone}`;
}

/** Namespace of the UUIDs, 6472616d-6174-6971-2e74-69636b732e31, as text. */
const NAMESPACE = "dramatiq.ticks.1";

/**
 * The id of the message of a tick, a UUID of version 5. All workers compute the same.
 *
 * @param name The name of the schedule.
 * @param tick The time.
 * @returns The id.
 */
export function tickMessageId(name: string, tick: number): string {
  const hex = hexDigest("sha1", `${NAMESPACE}${name}\0${tick}`);
  const variant = (Number.parseInt(hex[16]!, 16) & 3 | 8).toString(16);
  return [
    hex.slice(0, 8),
    hex.slice(8, 12),
    `5${hex.slice(13, 16)}`,
    `${variant}${hex.slice(17, 20)}`,
    hex.slice(20, 32),
  ].join("-");
}

/**
 * The jitter of a tick. All workers compute the same.
 *
 * @param schedule The schedule.
 * @param tick The time.
 * @returns Milliseconds, less than the jitter of the schedule.
 */
export function jitterOf({ name, jitter }: Schedule, tick: number): number {
  if (jitter === 0) return 0;
  return Number.parseInt(hexDigest("sha1", `${name}\0${tick}`).slice(0, 12), 16) % jitter;
}
