import { assertEquals } from "@std/assert";
import { StubControlStore } from "@dq/dramatiq/control";
import { ControlLink } from "../../worker/control_link.ts";
import { FakeClock } from "../support/fake_clock.ts";
import { test } from "../support/test.ts";

test("ControlLink knows no pause that was over before it began, and ends others in time", async () => {
  const clock = new FakeClock();
  await using store = new StubControlStore({ clock });
  const now = clock.now();
  await store.change(
    [["a", now - 1], ["b", now + 1_000], ["c", now + 2_000]].map(([name, until]) => ({
      key: `pause/${name === "c" ? "actor" : "queue"}/${name}`,
      value: { since: now - 5_000, until: until! },
    })),
  );
  const told: unknown[] = [];
  const link = new ControlLink(store, clock, {
    cancelled: () => {},
    queuePaused: (queueName, isPaused) => told.push([queueName, isPaused]),
    actorPaused: () => told.push("actor"),
    quieted: () => {},
    resized: () => {},
    read: () => {},
  }, "worker");
  link.start();
  await link.ready;
  assertEquals(told, ["actor", ["b", true]]);
  assertEquals([link.isPaused("a"), link.isPaused("b"), link.pausedActors.names], [
    ...[false, true, ["c"]],
  ]);
  await clock.advance(1_000);
  assertEquals([told.at(-1), link.isPaused("b")], [["b", false], false]);
  await clock.advance(1_000);
  assertEquals(link.pausedActors.size, 0);
  link.stop();
});
