import { assertEquals, assertRejects } from "@std/assert";
import { WaitingRoom } from "../../rate_limits/backends/waiting_room.ts";
import { FakeClock } from "../support/fake_clock.ts";
import { test } from "../support/test.ts";

function ready() {
  const clock = new FakeClock();
  const left: string[] = [];
  return { clock, left, room: new WaitingRoom(clock, (key) => left.push(key)) };
}

test("WaitingRoom wakes all who wait for a key, and nobody else", async () => {
  const { clock, left, room } = ready();
  const waits = ["a", "a", "b"].map((key) => room.wait(key, 1_000));
  room.wake("a");
  assertEquals([await waits[0], await waits[1], left, room.keys], [true, true, ["a"], ["b"]]);
  assertEquals(clock.pendingTimers, 1);
  await clock.advance(1_000);
  assertEquals([await waits[2], left, room.keys], [false, ["a", "b"], []]);
});

test("WaitingRoom keeps the others waiting when one of them leaves", async () => {
  const { clock, left, room } = ready();
  const controller = new AbortController();
  const aborted = assertRejects(
    () => room.wait("a", 1_000, controller.signal),
    Error,
    "not interested",
  );
  const [short, long] = [room.wait("a", 10), room.wait("a", 1_000)];
  controller.abort(new Error("not interested"));
  await aborted;
  await clock.advance(10);
  assertEquals([await short, left, room.keys], [false, [], ["a"]]);
  room.wake("a");
  assertEquals([await long, left, clock.pendingTimers], [true, ["a"], 0]);
});

test("WaitingRoom.fail ends the waits for a key, failAll those for all, and leaves no timer", async () => {
  const { clock, room } = ready();
  const waits = ["a", "b", "c"].map((key) =>
    assertRejects(() => room.wait(key, 1_000), Error, "closed")
  );
  room.fail("a", new Error("closed"));
  assertEquals(room.keys, ["b", "c"]);
  room.failAll(new Error("closed"));
  await Promise.all(waits);
  assertEquals([room.keys, clock.pendingTimers], [[], 0]);
});
