import { assert, assertEquals } from "@std/assert";
import { type Run, TimeLimitExceeded } from "@dq/dramatiq";
import { type GracePeriod, GracePeriods } from "../../../worker/executors/grace_periods.ts";
import { FakeClock } from "../../support/fake_clock.ts";
import { test } from "../../support/test.ts";

const REASON = new TimeLimitExceeded("late");
const run = {} as Run;

function makeGracePeriods() {
  const clock = new FakeClock();
  const over: { after: number; stop: GracePeriod }[] = [];
  const start = clock.now();
  const gracePeriods = new GracePeriods(
    () => clock,
    (_run, stop) => void over.push({ after: clock.now() - start, stop }),
  );
  return { clock, over, gracePeriods };
}

test("GracePeriods gives a run its grace, and its realm a quarter of a second to answer", async () => {
  for (const [grace, after] of [[1_000, 1_000], [100, 250], [0, 250]] as const) {
    const { clock, over, gracePeriods } = makeGracePeriods();
    gracePeriods.begin(run, REASON, grace);
    await clock.advance(2_000);
    assertEquals(over.map((one) => one.after), [after]);
  }
});

test("GracePeriods gives a run that hears late all of its grace from then on, once", async () => {
  const { clock, over, gracePeriods } = makeGracePeriods();
  gracePeriods.begin(run, REASON, 100);
  await clock.advance(200);
  gracePeriods.heard(run);
  await clock.advance(50);
  gracePeriods.heard(run);
  await clock.advance(1_000);
  assertEquals(over.map(({ after, stop }) => [after, stop.isHeard]), [[300, true]]);
});

test("GracePeriods gives a run that hears in time no more than its grace", async () => {
  const { clock, over, gracePeriods } = makeGracePeriods();
  gracePeriods.begin(run, REASON, 1_000);
  await clock.advance(900);
  gracePeriods.heard(run);
  await clock.advance(100);
  assertEquals(over.map(({ after }) => after), [1_000]);
});

test("GracePeriods replaces a grace by a sooner one, and remembers that the run has heard", async () => {
  const { clock, over, gracePeriods } = makeGracePeriods();
  gracePeriods.begin(run, REASON, 10_000);
  gracePeriods.heard(run);
  assert(gracePeriods.isSooner(run, 9_999));
  assert(!gracePeriods.isSooner(run, 10_000));
  gracePeriods.begin(run, REASON, 500);
  assertEquals(clock.pendingTimers, 1);
  await clock.advance(20_000);
  assertEquals(over.map(({ after, stop }) => [after, stop.isHeard]), [[500, true]]);
});

test("GracePeriods forgets runs that have ended, and their timers", async () => {
  const { clock, over, gracePeriods } = makeGracePeriods();
  const other = {} as Run;
  gracePeriods.begin(run, REASON, 1_000);
  gracePeriods.begin(other, REASON, 1_000);
  gracePeriods.end(run);
  assertEquals([gracePeriods.has(run), gracePeriods.has(other), clock.pendingTimers], [
    false,
    true,
    1,
  ]);
  gracePeriods.endAll();
  assertEquals(clock.pendingTimers, 0);
  gracePeriods.heard(run);
  await clock.advance(2_000);
  assertEquals(over, []);
});
