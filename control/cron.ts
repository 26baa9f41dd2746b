import { Cron } from "croner";
import type { Ticks } from "./every.ts";

/**
 * Times of a cron pattern. This file alone imports the library that computes them.
 *
 * @param pattern A checked pattern of five fields.
 * @param timeZone The zone that it goes by.
 * @returns Its times.
 */
export function cronTicks(pattern: string, timeZone: string): Ticks {
  const cron = new Cron(pattern, { timezone: timeZone, mode: "5-part" });
  return { next: (after) => cron.nextRun(new Date(after))?.getTime() };
}
