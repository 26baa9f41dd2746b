import type { Ticks } from "../../control/every.ts";

const MINUTE = 60_000;

/** A minute, and what a clock on the wall shows then. */
export interface LocalMinute {
  /** Milliseconds since the epoch. */
  readonly at: number;
  readonly day: number;
  readonly hour: number;
  readonly minute: number;
}

/** Minutes of a span with their local times, by `Intl` alone. */
export function localMinutes(timeZone: string, from: number, until: number): LocalMinute[] {
  const format = new Intl.DateTimeFormat("en-GB", {
    timeZone,
    hourCycle: "h23",
    day: "2-digit",
    hour: "2-digit",
    minute: "2-digit",
  });
  const minutes: LocalMinute[] = [];
  for (let at = from; at < until; at += MINUTE) {
    const [day = 0, hour = 0, minute = 0] = format.formatToParts(at)
      .filter(({ type }) => type !== "literal").map(({ value }) => Number(value));
    minutes.push({ at, day, hour, minute });
  }
  return minutes;
}

/**
 * When a pattern with one hour and one minute is due, by the rule of docs/periodic.md: once a day, at
 * the first of two such times, or at the first instant after a gap.
 */
export function dailyTimes(
  minutes: readonly LocalMinute[],
  hour: number,
  minute: number,
): number[] {
  const times: number[] = [];
  let previous = minutes[0]!;
  const seen = new Set<number>();
  for (const one of minutes.slice(1)) {
    const [before, now, wanted] = [previous, one, { hour, minute }]
      .map((time) => time.hour * 60 + time.minute) as [number, number, number];
    // The hands passed it without standing on it; those that are set back pass the most.
    const passed = (now - before + 1_440) % 1_440;
    const isLeftOut = passed < 720 && (wanted - before + 1_440) % 1_440 < passed &&
      before !== wanted;
    // A gap may begin in the last hour of a day.
    const day = isLeftOut && wanted > before ? previous.day : one.day;
    if ((now === wanted || isLeftOut) && !seen.has(day)) {
      seen.add(day);
      times.push(one.at);
    }
    previous = one;
  }
  return times;
}

/** The times of a schedule in a span, as texts. */
export function timesOf(ticks: Ticks, from: number, until: number): string[] {
  const times: string[] = [];
  for (let at = ticks.next(from); at !== undefined && at < until; at = ticks.next(at)) {
    times.push(new Date(at).toISOString());
  }
  return times;
}
