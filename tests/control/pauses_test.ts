import { assertEquals } from "@std/assert";
import { Control, StubBroker } from "@dq/dramatiq";
import { FakeClock } from "../support/fake_clock.ts";
import { test } from "../support/test.ts";

test("Control.paused lists queues and actors until the times at which they resume", async () => {
  const clock = new FakeClock();
  await using broker = new StubBroker({ clock });
  const control = new Control(broker);
  const until = clock.now() + 1_000;
  await control.pause({ queue: "q" }, { until, reason: "why" });
  await control.pause({ actor: "a" }, { until: new Date(until + 1_000) });
  const since = clock.now();
  assertEquals(await control.paused(), [
    { actor: "a", until: until + 1_000, reason: undefined, since, ignoredBy: [] },
    { queue: "q", until, reason: "why", since, ignoredBy: [] },
  ]);
  await clock.advance(1_000);
  assertEquals((await control.paused()).map(({ actor }) => actor), ["a"]);
  await clock.advance(1_000);
  assertEquals(await control.paused(), []);
});
