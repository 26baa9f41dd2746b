import { UsageError } from "./usage_error.ts";

const SPAN = /^(\d+(?:\.\d+)?)(s|m|h|d|w)$/;
const SPAN_LENGTHS: Readonly<Record<string, number>> = {
  s: 1_000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
  w: 7 * 86_400_000,
};

/**
 * Makes a parser of times, given as dates or as spans relative to now.
 *
 * @param name The option.
 * @param now The current time, in milliseconds since the epoch.
 * @param direction 1 for spans in the future, -1 for spans in the past.
 * @returns A function that returns milliseconds since the epoch, and throws a `UsageError` for
 *   other texts.
 */
export function timeOf(name: string, now: number, direction: 1 | -1): (text: string) => number {
  return (text) => {
    const span = SPAN.exec(text);
    if (span !== null) return now + direction * Number(span[1]) * SPAN_LENGTHS[span[2]!]!;
    const time = /^\d{4}-/.test(text) ? Date.parse(text) : NaN;
    if (!Number.isNaN(time)) return time;
    const kind = direction === 1 ? "a span" : "a time ago";
    throw new UsageError(
      `Cannot use "${text}" for --${name}: it must be a date such as 2026-01-31 or ` +
        `2026-01-31T12:00, or ${kind} such as 30m, 2h, 7d`,
    );
  };
}
