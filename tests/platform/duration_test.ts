import { assertEquals, assertThrows } from "@std/assert";
import { type Duration, toMilliseconds } from "../../platform/duration.ts";
import { skip, test } from "../support/test.ts";

test("toMilliseconds takes milliseconds as they are", () => {
  for (const duration of [0, 1, 0.5, -5, 1e12]) {
    assertEquals(toMilliseconds(duration, "delay"), duration);
  }
});

test("toMilliseconds adds up the fields", () => {
  const cases: [Duration, number][] = [
    [{ milliseconds: 7 }, 7],
    [{ seconds: 1.5 }, 1500],
    [{ minutes: 2 }, 120_000],
    [{ hours: 1 }, 3_600_000],
    [{ days: 1 }, 86_400_000],
    [{ weeks: 1 }, 604_800_000],
    [{ weeks: 1, days: 1, hours: 1, minutes: 1, seconds: 1, milliseconds: 1 }, 694_861_001],
    [{ seconds: 0 }, 0],
  ];
  for (const [duration, expected] of cases) {
    assertEquals(toMilliseconds(duration, "delay"), expected);
  }
});

test("toMilliseconds takes an object whose fields are getters of its class", () => {
  class Span {
    get years(): number {
      return 0;
    }
    get minutes(): number {
      return 1;
    }
    get seconds(): number {
      return 30;
    }
  }
  assertEquals(toMilliseconds(new Span(), "delay"), 90_000);
});

test("toMilliseconds refuses the years and months of a class", () => {
  class Span {
    readonly #months = 1;
    get months(): number {
      return this.#months;
    }
    get days(): number {
      return 0;
    }
  }
  assertThrows(() => toMilliseconds(new Span(), "delay"), TypeError, "as delay: it must be ");
});

/** The members of `Temporal.Duration` that are used here; not every runtime has it. */
interface TemporalDuration {
  from(fields: Record<string, number>): Duration;
}
const { Temporal } = globalThis as { Temporal?: { Duration: TemporalDuration } };
const name = "toMilliseconds takes a Temporal.Duration of fixed length";
if (Temporal === undefined) {
  skip(name, "this runtime has no Temporal");
} else {
  test(name, () => {
    const { Duration } = Temporal;
    assertEquals(toMilliseconds(Duration.from({ minutes: 1, seconds: 5 }), "delay"), 65_000);
    assertEquals(toMilliseconds(Duration.from({ weeks: 1, milliseconds: 5 }), "delay"), 604800005);
    assertThrows(() => toMilliseconds(Duration.from({ months: 1 }), "delay"), TypeError);
    assertThrows(() => toMilliseconds(Duration.from({ years: 1, days: 2 }), "delay"), TypeError);
  });
}

test("toMilliseconds refuses other values, and names the value and the option", () => {
  const cases: [unknown, string][] = [
    ["5s", "Cannot use 5s as delay: it must be milliseconds or { seconds: … }"],
    [null, "Cannot use null as delay: it must be milliseconds or { seconds: … }"],
    [undefined, "Cannot use undefined as delay: it must be milliseconds or { seconds: … }"],
    [5n, "Cannot use 5 as delay: it must be milliseconds or { seconds: … }"],
    [{ seconds: "5" }, "Cannot use 5 seconds as delay: it must be a number"],
    [{ seconds: null }, "Cannot use null seconds as delay: it must be a number"],
    [{}, "Cannot use {} as delay: it must be milliseconds or an object of weeks, days, hours,"],
    [{ month: 1 }, 'Cannot use {"month":1} as delay: it must be milliseconds or an object of '],
    [{ seconds: 1, years: 1 }, 'Cannot use {"seconds":1,"years":1} as delay: it must be '],
    [{ second: 5, seconds: 5 }, 'Cannot use {"second":5,"seconds":5} as delay: it must be '],
    [[5], "Cannot use [5] as delay: it must be milliseconds or an object of weeks, days, hours"],
    [new Date(0), 'Cannot use "1970-01-01T00:00:00.000Z" as delay: it must be milliseconds or an'],
  ];
  for (const [duration, text] of cases) {
    assertThrows(() => toMilliseconds(duration as Duration, "delay"), TypeError, text);
  }
});

test("toMilliseconds refuses NaN and infinite durations", () => {
  for (const duration of [NaN, Infinity, -Infinity, { seconds: NaN }, { days: Infinity }]) {
    assertThrows(
      () => toMilliseconds(duration, "delay"),
      RangeError,
      "as delay: it must be a finite number of ms",
    );
  }
});
