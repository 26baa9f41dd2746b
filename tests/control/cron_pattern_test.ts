import { assertEquals, assertThrows } from "@std/assert";
import * as fc from "fast-check";
import { cronTicks } from "../../control/cron.ts";
import { checkCronPattern } from "../../core/cron_pattern.ts";
import { test } from "../support/test.ts";

test("checkCronPattern normalizes patterns", () => {
  const spellings: Record<string, string> = {
    "0 3 * * *": "0 3 * * *",
    "  */15   0-6,20-23 1,L  jan-mar  * ": "*/15 0-6,20-23 1,L 1-3 *",
    "0 7 * * MON-FRI": "0 7 * * 1-5",
    "0 0 * * fri-sun": "0 0 * * 5-7",
    "0 0 * * sun": "0 0 * * 0",
    "0 0 * * 7": "0 0 * * 7",
    "0 0 * * MON#1,FRI#L": "0 0 * * 1#1,5#L",
    "10-50/10 * * * *": "10-50/10 * * * *",
    "0 0 29 2 *": "0 0 29 2 *",
    "0 0 30 2 MON": "0 0 30 2 1",
    "@hourly": "0 * * * *",
    "@Daily": "0 0 * * *",
    "@weekly": "0 0 * * 0",
    "@monthly": "0 0 1 * *",
    "@yearly": "0 0 1 1 *",
  };
  for (const [pattern, spelling] of Object.entries(spellings)) {
    assertEquals(checkCronPattern(pattern), spelling);
    cronTicks(spelling, "UTC");
  }
});

test("checkCronPattern refuses invalid patterns, and names the field and the value", () => {
  const faults: [pattern: string, type: typeof TypeError | typeof RangeError, part: string][] = [
    ["", TypeError, "0 fields"],
    ["* * * *", TypeError, "4 fields"],
    ["0 0 3 * * *", TypeError, "6 fields, not five"],
    ["0 0 3 * * *", TypeError, "for seconds use every"],
    ["@reboot", TypeError, "@reboot"],
    ["60 * * * *", RangeError, "minute 60 is not between 0 and 59"],
    ["* 24 * * *", RangeError, "hour 24"],
    ["* * 0 * *", RangeError, "day of the month 0"],
    ["* * 32 * *", RangeError, "day of the month 32"],
    ["* * * 13 *", RangeError, "month 13"],
    ["* * * * 8", RangeError, "day of the week 8"],
    ["* * * * MON#6", RangeError, "MON#6"],
    ["* * * FOO *", TypeError, 'month "FOO"'],
    ["-1 * * * *", TypeError, 'minute "-1"'],
    ["1.5 * * * *", TypeError, "1.5"],
    ["a * * * *", TypeError, 'minute "a"'],
    ["5-1 * * * *", RangeError, "minute 5-1 ends before it begins"],
    ["*/0 * * * *", RangeError, "step"],
    ["*/61 * * * *", RangeError, "between 1 and 60"],
    ["*/x * * * *", TypeError, "*/x"],
    ["5/10 * * * *", TypeError, "has a step but no range"],
    ["*-5 * * * *", TypeError, "*-5"],
    ["1,, * * * *", TypeError, 'minute ""'],
    ["* L * * *", TypeError, 'hour "L"'],
    ["0 0 30 2 *", RangeError, "no month 2 has a day 30"],
    ["0 0 31 4,6,9,11 *", RangeError, "never occurs"],
  ];
  for (const [pattern, type, part] of faults) {
    assertThrows(() => checkCronPattern(pattern), type, part);
  }
});

/** A field of a pattern, and what it stands for, made without the code under test. */
interface FieldCase {
  readonly text: string;
  readonly values: ReadonlySet<number>;
}

function fieldOf(first: number, last: number): fc.Arbitrary<FieldCase> {
  const value = fc.integer({ min: first, max: last });
  const all = (from: number, to: number, step: number) => {
    const values = new Set<number>();
    for (let one = from; one <= to; one += step) values.add(one);
    return values;
  };
  const step = fc.integer({ min: 1, max: last - first + 1 });
  const single = value.map((one) => ({ text: `${one}`, values: new Set([one]) }));
  const range = fc.tuple(value, value, step).map(([a, b, by]) => {
    const [from, to] = [Math.min(a, b), Math.max(a, b)];
    return by > 3
      ? { text: `${from}-${to}`, values: all(from, to, 1) }
      : { text: `${from}-${to}/${by}`, values: all(from, to, by) };
  });
  const steps = step.map((by) => ({ text: `*/${by}`, values: all(first, last, by) }));
  const list = fc.array(fc.oneof(single, range), { minLength: 1, maxLength: 3 }).map((parts) => ({
    text: parts.map(({ text }) => text).join(),
    values: new Set(parts.flatMap(({ values }) => [...values])),
  }));
  return fc.oneof(fc.constant({ text: "*", values: all(first, last, 1) }), steps, list);
}

test("cronTicks returns the times of a pattern in order", () => {
  const pattern = fc.tuple(
    fieldOf(0, 59),
    fieldOf(0, 23),
    fieldOf(1, 31),
    fieldOf(1, 12),
    fc.constant({ text: "*", values: new Set([0, 1, 2, 3, 4, 5, 6]) }),
  );
  const start = fc.integer({ min: 1_600_000_000, max: 2_000_000_000 });
  fc.assert(
    fc.property(pattern, start, (fields, seconds) => {
      const [minutes, hours, days, months] = fields.map(({ values }) => values);
      // A day that no month has is refused.
      fc.pre(Math.min(...days!) <= 28);
      const text = checkCronPattern(fields.map((field) => field.text).join(" "));
      const ticks = cronTicks(text, "UTC");
      let tick = seconds * 1_000;
      for (let i = 0; i < 3; i++) {
        const next = ticks.next(tick)!;
        const at = new Date(next);
        const isNamed = minutes!.has(at.getUTCMinutes()) && hours!.has(at.getUTCHours()) &&
          days!.has(at.getUTCDate()) && months!.has(at.getUTCMonth() + 1);
        assertEquals([isNamed, next > tick, next % 60_000], [true, true, 0], text);
        tick = next;
      }
    }),
    { numRuns: 60 },
  );
});
