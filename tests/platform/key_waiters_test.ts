import { assertEquals, assertRejects } from "@std/assert";
import { KeyWaiters } from "../../platform/key_waiters.ts";
import { FakeClock } from "../support/fake_clock.ts";
import { test } from "../support/test.ts";

/** Waiters on a fake clock, and the keys whose last waiter has left. */
function newWaiters() {
  const clock = new FakeClock();
  const left: string[] = [];
  return { clock, left, waiters: new KeyWaiters(clock, (key) => left.push(key)) };
}

test("KeyWaiters wakes all waiters of a key, and no others", async () => {
  const { clock, left, waiters } = newWaiters();
  const waits = ["a", "a", "b"].map((key) => waiters.wait(key, 1_000));
  waiters.wake("a");
  assertEquals([await waits[0], await waits[1], left, waiters.keys], [true, true, ["a"], ["b"]]);
  assertEquals(clock.pendingTimers, 1);
  await clock.advance(1_000);
  assertEquals([await waits[2], left, waiters.keys], [false, ["a", "b"], []]);
});

test("KeyWaiters keeps the other waiters of a key when one aborts or times out", async () => {
  const { clock, left, waiters } = newWaiters();
  const controller = new AbortController();
  const aborted = assertRejects(
    () => waiters.wait("a", 1_000, controller.signal),
    Error,
    "not interested",
  );
  const [short, long] = [waiters.wait("a", 10), waiters.wait("a", 1_000)];
  controller.abort(new Error("not interested"));
  await aborted;
  await clock.advance(10);
  assertEquals([await short, left, waiters.keys], [false, [], ["a"]]);
  waiters.wake("a");
  assertEquals([await long, left, clock.pendingTimers], [true, ["a"], 0]);
});

test("KeyWaiters.fail ends the waits for one key, failAll all waits, and no timer is left", async () => {
  const { clock, waiters } = newWaiters();
  const waits = ["a", "b", "c"].map((key) =>
    assertRejects(() => waiters.wait(key, 1_000), Error, "closed")
  );
  waiters.fail("a", new Error("closed"));
  assertEquals(waiters.keys, ["b", "c"]);
  waiters.failAll(new Error("closed"));
  await Promise.all(waits);
  assertEquals([waiters.keys, clock.pendingTimers], [[], 0]);
});
