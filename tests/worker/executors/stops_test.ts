import { assert, assertEquals } from "@std/assert";
import { type Run, TimeLimitExceeded } from "@dq/dramatiq";
import { type Stop, Stops } from "../../../worker/executors/stops.ts";
import { FakeClock } from "../../support/fake_clock.ts";
import { test } from "../../support/test.ts";

const REASON = new TimeLimitExceeded("late");
const run = {} as Run;

function makeStops() {
  const clock = new FakeClock();
  const over: { after: number; stop: Stop }[] = [];
  const start = clock.now();
  const stops = new Stops(
    () => clock,
    (_run, stop) => void over.push({ after: clock.now() - start, stop }),
  );
  return { clock, over, stops };
}

test("Stops gives a run its grace, and its realm a quarter of a second to answer", async () => {
  for (const [grace, after] of [[1_000, 1_000], [100, 250], [0, 250]] as const) {
    const { clock, over, stops } = makeStops();
    stops.begin(run, REASON, grace);
    await clock.advance(2_000);
    assertEquals(over.map((one) => one.after), [after]);
  }
});

test("Stops gives a run that hears late all of its grace from then on, once", async () => {
  const { clock, over, stops } = makeStops();
  stops.begin(run, REASON, 100);
  await clock.advance(200);
  stops.heard(run);
  await clock.advance(50);
  stops.heard(run);
  await clock.advance(1_000);
  assertEquals(over.map(({ after, stop }) => [after, stop.isHeard]), [[300, true]]);
});

test("Stops gives a run that hears in time no more than its grace", async () => {
  const { clock, over, stops } = makeStops();
  stops.begin(run, REASON, 1_000);
  await clock.advance(900);
  stops.heard(run);
  await clock.advance(100);
  assertEquals(over.map(({ after }) => after), [1_000]);
});

test("Stops replaces a grace by a sooner one, and remembers that the run has heard", async () => {
  const { clock, over, stops } = makeStops();
  stops.begin(run, REASON, 10_000);
  stops.heard(run);
  assert(stops.isSooner(run, 9_999));
  assert(!stops.isSooner(run, 10_000));
  stops.begin(run, REASON, 500);
  assertEquals(clock.pendingTimers, 1);
  await clock.advance(20_000);
  assertEquals(over.map(({ after, stop }) => [after, stop.isHeard]), [[500, true]]);
});

test("Stops forgets runs that have ended, and their timers", async () => {
  const { clock, over, stops } = makeStops();
  const other = {} as Run;
  stops.begin(run, REASON, 1_000);
  stops.begin(other, REASON, 1_000);
  stops.end(run);
  assertEquals([stops.has(run), stops.has(other), clock.pendingTimers], [false, true, 1]);
  stops.endAll();
  assertEquals(clock.pendingTimers, 0);
  stops.heard(run);
  await clock.advance(2_000);
  assertEquals(over, []);
});
