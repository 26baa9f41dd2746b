import { Cron } from "croner";
import type { Ticks } from "./every.ts";

/**
 * Times of a cron pattern. Only this file imports `croner`, so that it is loaded on demand.
 *
 * @param pattern A valid pattern of five fields.
 * @param timeZone The time zone of the pattern.
 * @returns Its times.
 */
export function cronTicks(pattern: string, timeZone: string): Ticks {
  const cron = new Cron(pattern, { timezone: timeZone, mode: "5-part" });
  return { next: (after) => cron.nextRun(new Date(after))?.getTime() };
}
