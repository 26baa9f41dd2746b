import { assertEquals } from "@std/assert";
import {
  actor,
  ConnectionClosed,
  Control,
  type MessageProxy,
  StubBroker,
  Worker,
} from "@dq/dramatiq";
import { FakeClock } from "../support/fake_clock.ts";
import { eventually } from "../support/servers/until.ts";
import { test } from "../support/test.ts";
import { PausedActors } from "../../worker/paused_actors.ts";

test("PausedActors delays a message by the age of the pause, within bounds and its end", () => {
  let now = 1_000_000;
  const paused = new PausedActors(() => now);
  assertEquals([paused.size, paused.delayOf("a")], [0, undefined]);
  paused.set("a", { actor: "a", since: 1_000_000, until: undefined, reason: undefined });
  const delayAfter = (age: number) => {
    now = 1_000_000 + age;
    return paused.delayOf("a");
  };
  assertEquals([0, 5_000, 600_000].map(delayAfter), [1_000, 5_000, 60_000]);
  paused.set("a", { actor: "a", since: 1_000_000, until: 1_010_000, reason: undefined });
  assertEquals([5_000, 9_000, 11_000].map(delayAfter), [5_000, 1_000, 0]);
  assertEquals([paused.names, paused.delayOf("b")], [["a"], undefined]);
  paused.set("a", undefined);
  assertEquals([paused.size, paused.delayOf("a")], [0, undefined]);
});

/** A broker that cannot delay messages at first. */
class FailingBroker extends StubBroker {
  failures = 1;

  override async postpone(delivery: MessageProxy, delay: number): Promise<void> {
    if (this.failures-- > 0) throw new ConnectionClosed("away", { delivery: "none" });
    await super.postpone(delivery, delay);
  }
}

test("Worker keeps a message of a paused actor that it cannot delay, and tries again", async () => {
  const clock = new FakeClock();
  await using broker = new FailingBroker({ clock });
  let runs = 0;
  const note = actor(() => void (runs += 1), { broker, actorName: "note" });
  const control = new Control(broker);
  await control.pause({ actor: note });
  const message = await note.send();
  await using worker = new Worker(broker);
  await worker.start();
  await eventually("fail", () => broker.failures === 0);
  await clock.settle();
  await clock.advance(1_000); // given back
  await eventually("delay it", () => broker.failures < 0);
  await control.resume({ actor: note });
  await clock.advance(60_000);
  await eventually("run it", () => runs === 1);
  await worker.join();
  assertEquals([broker.failures, worker.outcomes.done, message.option("retries")], [
    ...[-1, 1, undefined],
  ]);
});
