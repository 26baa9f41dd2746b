import { assertEquals } from "@std/assert";
import { StopDeadline } from "../../worker/stop_deadline.ts";
import { FakeClock } from "../support/fake_clock.ts";
import { test } from "../support/test.ts";

function deadlineAt(...timeouts: number[]) {
  const clock = new FakeClock();
  const events: string[] = [];
  const deadline = new StopDeadline(clock, () => events.push("gave up"));
  deadline.passed.then(() => events.push("passed"));
  for (const timeout of timeouts) deadline.set(timeout);
  return { clock, deadline, events };
}

test("StopDeadline gives up at the deadline, and waits one second more", async () => {
  const { clock, events } = deadlineAt(5_000);
  await clock.advance(4_999);
  assertEquals(events, []);
  await clock.advance(1);
  assertEquals(events, ["gave up"]);
  await clock.advance(999);
  assertEquals(events, ["gave up"]);
  await clock.advance(1);
  assertEquals(events, ["gave up", "passed"]);
});

test("StopDeadline can be brought forward, not put off, and gives up once", async () => {
  for (const timeouts of [[5_000, 2_000], [2_000, 5_000], [2_000, 2_000]]) {
    const { clock, events } = deadlineAt(...timeouts);
    assertEquals(clock.pendingTimers, 1);
    await clock.advance(2_000);
    assertEquals(events, ["gave up"], `${timeouts}`);
    await clock.advance(10_000);
    assertEquals(events, ["gave up", "passed"], `${timeouts}`);
  }
});

test("StopDeadline.clear leaves no timer, before the deadline or after", async () => {
  const { clock, deadline, events } = deadlineAt(5_000);
  deadline.clear();
  assertEquals(clock.pendingTimers, 0);
  deadline.set(1_000);
  await clock.advance(1_500);
  deadline.clear();
  await clock.advance(10_000);
  assertEquals([events, clock.pendingTimers], [["gave up"], 0]);
});
