import { assert, assertEquals, assertNotEquals } from "@std/assert";
import { cronTicks } from "../../control/cron.ts";
import { everyTicks, type Ticks } from "../../control/every.ts";
import { jitterOf, latestTick, tickMessageId } from "../../control/ticks.ts";
import { checkSchedules } from "../../core/schedules.ts";
import { test } from "../support/test.ts";
import { dailyTimes, localMinutes, timesOf } from "./local_times.ts";

const DAY = 86_400_000;

function listed(ticks: Ticks, from: string, until: string): string[] {
  const all: string[] = [];
  const end = Date.parse(until);
  for (let tick = ticks.next(Date.parse(from) - 1)!; tick < end; tick = ticks.next(tick)!) {
    all.push(`${new Date(tick).toISOString().slice(0, 16)}Z`);
  }
  return all;
}

/** The two days on which clocks change, in 2025 or 2026. */
const CHANGES: readonly [timeZone: string, day: string, hours: readonly number[]][] = [
  ["Europe/Berlin", "2025-03-30", [1, 2, 3]],
  ["Europe/Berlin", "2025-10-26", [1, 2, 3]],
  ["America/New_York", "2025-03-09", [1, 2, 3]],
  ["America/New_York", "2025-11-02", [0, 1, 2]],
  ["Australia/Lord_Howe", "2025-10-05", [1, 2, 3]],
  ["Australia/Lord_Howe", "2025-04-06", [1, 2]],
  ["America/Santiago", "2025-09-07", [23, 0, 1]],
  ["Asia/Kolkata", "2025-03-30", [2]],
];

test("cron with one fixed hour fires once a day when clocks change, after a gap, first in a fold", () => {
  for (const [timeZone, day, hours] of CHANGES) {
    const from = Date.parse(`${day}T00:00Z`) - DAY;
    const until = from + 3 * DAY;
    const minutes = localMinutes(timeZone, from, until);
    for (const hour of hours) {
      for (const minute of [0, 15, 45]) {
        const expected = dailyTimes(minutes, hour, minute);
        const found = timesOf(cronTicks(`${minute} ${hour} * * *`, timeZone), from, until);
        const texts = expected.map((at) => new Date(at).toISOString());
        assertEquals(found, texts, `${timeZone} ${hour}:${minute} ${day}`);
      }
    }
  }
});

test("cron with wildcards, ranges or lists of hours follows real time when clocks change", () => {
  for (const [timeZone, day] of CHANGES) {
    const from = Date.parse(`${day}T00:00Z`) - DAY;
    const until = from + 3 * DAY;
    const minutes = localMinutes(timeZone, from, until).slice(1);
    const patterns: [string, (hour: number, minute: number) => boolean][] = [
      ["*/15 * * * *", (_hour, minute) => minute % 15 === 0],
      ["30 1-3 * * *", (hour, minute) => minute === 30 && hour >= 1 && hour <= 3],
      ["0,45 0,1,2 * * *", (hour, minute) => (minute === 0 || minute === 45) && hour <= 2],
    ];
    for (const [pattern, isNamed] of patterns) {
      const found = timesOf(cronTicks(pattern, timeZone), from, until);
      const expected = minutes.filter(({ hour, minute }) => isNamed(hour, minute));
      const texts = expected.map(({ at }) => new Date(at).toISOString());
      assertEquals(found, texts, `${timeZone} ${pattern} ${day}`);
    }
  }
});

test("cron knows leap years, last days of months and counted weekdays", () => {
  assertEquals(listed(cronTicks("0 0 29 2 *", "UTC"), "2095-01-01", "2110-01-01"), [
    "2096-02-29T00:00Z",
    "2104-02-29T00:00Z", // 2100 is none
    "2108-02-29T00:00Z",
  ]);
  assertEquals(listed(cronTicks("0 0 L * *", "UTC"), "2024-01-15", "2024-04-15"), [
    "2024-01-31T00:00Z",
    "2024-02-29T00:00Z",
    "2024-03-31T00:00Z",
  ]);
  assertEquals(listed(cronTicks("0 9 * * 1#1", "UTC"), "2025-01-01", "2025-03-01"), [
    "2025-01-06T09:00Z",
    "2025-02-03T09:00Z",
  ]);
  assertEquals(listed(cronTicks("0 9 * * 5-7", "UTC"), "2025-01-01", "2025-01-07"), [
    "2025-01-03T09:00Z",
    "2025-01-04T09:00Z",
    "2025-01-05T09:00Z",
  ]);
});

test("everyTicks returns the multiples of the interval since the epoch", () => {
  const ticks = everyTicks(700);
  assertEquals([ticks.next(-1), ticks.next(0), ticks.next(699), ticks.next(700)], [
    0,
    700,
    700,
    1_400,
  ]);
});

test("latestTick finds the last time of a range of any length", () => {
  const every = everyTicks(100);
  assertEquals(latestTick(every, 0, 99), undefined);
  assertEquals(latestTick(every, 0, 100), 100);
  assertEquals(latestTick(every, 50, 1e12 + 70), 1e12);
  let calls = 0;
  const cron = cronTicks("* * * 1 *", "UTC");
  const counted = { next: (after: number) => (calls++, cron.next(after)) };
  const [after, until] = [Date.parse("2015-06-01"), Date.parse("2025-12-24T18:00Z")];
  assertEquals(latestTick(counted, after, until), Date.parse("2025-01-31T23:59Z"));
  assert(calls < 100, `${calls} calls`);
  for (let span = 1; span < 400; span += 7) {
    const ticks = { next: (at: number) => [3, 4, 50, 51, 120, 300].find((one) => one > at) };
    const expected = [3, 4, 50, 51, 120, 300].filter((one) => one > 3 && one <= span).at(-1);
    assertEquals(latestTick(ticks, 3, span), expected);
  }
});

test("tickMessageId is a UUID of version 5, one for each name and tick", () => {
  const id = tickMessageId("nightly", 1_700_000_000_000);
  assertEquals(id, tickMessageId("nightly", 1_700_000_000_000));
  assert(/^[0-9a-f]{8}-[0-9a-f]{4}-5[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/.test(id), id);
  assertNotEquals(id, tickMessageId("nightly", 1_700_000_000_001));
  assertNotEquals(id, tickMessageId("nightly1", 700_000_000_000));
});

test("jitterOf is the same for the same tick, below the jitter, and spread over it", () => {
  const target = { actorName: "a", queueName: "q" };
  const [schedule] = checkSchedules(target, {
    every: { interval: 1_000, jitter: { seconds: 10 } },
  });
  const delays = Array.from({ length: 200 }, (_, i) => jitterOf(schedule!, i * 1_000));
  assertEquals(delays, delays.map((_, i) => jitterOf(schedule!, i * 1_000)));
  assert(delays.every((delay) => delay >= 0 && delay < 10_000));
  assert(Math.min(...delays) < 1_000 && Math.max(...delays) > 9_000);
});
