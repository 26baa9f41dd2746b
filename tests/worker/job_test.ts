import { assertEquals } from "@std/assert";
import {
  ConnectionClosed,
  FollowUpNotStored,
  type Middleware,
  type Outcome,
  WorkerLost,
} from "@dq/dramatiq";
import { Dispatcher } from "../../worker/dispatcher.ts";
import { test } from "../support/test.ts";
import { endless, LATE, ready } from "./executor_fixture.ts";
import { received } from "./settlement_fixture.ts";

const LOST = new WorkerLost("The worker stopped waiting");

test("Job that was given up while a hook waited does not start when the hook ends", async () => {
  for (const [reason, outcome] of [[LOST, "lost"], [LATE, "done"]] as const) {
    const gate = Promise.withResolvers<void>();
    let runs = 0;
    const { clock, proxy, work } = await ready(() => runs++, [{
      beforeProcessMessage: () => gate.promise,
    }]);
    const message = proxy();
    const outcomes = work(message);
    message.interrupt(reason, { grace: 0 });
    assertEquals(outcomes, [outcome]);
    gate.resolve();
    await clock.settle();
    assertEquals([runs, outcomes], [0, [outcome]]);
  }
});

test("Job that was given up while a hook waited ends once, when the hook ends, too", async () => {
  const hooks: Record<string, (gate: Promise<void>) => Middleware> = {
    afterProcessMessage: (gate) => ({ afterProcessMessage: () => gate }),
    afterSkipMessage: (gate) => ({
      beforeProcessMessage(_broker, message) {
        message.interrupt(LOST);
      },
      afterSkipMessage: () => gate,
    }),
  };
  for (const [name, hook] of Object.entries(hooks)) {
    for (const end of ["resolve", "reject"] as const) {
      const gate = Promise.withResolvers<void>();
      const { clock, proxy, work } = await ready(() => {}, [hook(gate.promise)]);
      const message = proxy();
      const outcomes = work(message);
      await clock.settle();
      assertEquals(outcomes, [], name);
      message.interrupt(LOST, { grace: 0 });
      assertEquals(outcomes, ["lost"], name);
      gate[end](new FollowUpNotStored("late", { cause: new ConnectionClosed("cut") }) as never);
      await clock.settle();
      assertEquals(outcomes, ["lost"], `${name} ${end}s`);
    }
  }
});

test("Job whose message a hook failed does not run, and fails", async () => {
  let runs = 0;
  const { proxy, work } = await ready(() => runs++, [{
    beforeProcessMessage: (_broker, message) => message.fail(),
  }]);
  assertEquals([work(proxy()), runs], [["failed"], 0]);
});

test("Job that is given back is not dead-lettered because a hook cannot store something", async () => {
  const error = new FollowUpNotStored("Cannot store that", { cause: new TypeError("too large") });
  const hooks = [
    () => Promise.reject(error),
    () => {
      throw error;
    },
  ];
  for (const afterSkipMessage of hooks) {
    const { fn } = endless();
    const { clock, proxy, work } = await ready(fn, [{ afterSkipMessage }]);
    const message = proxy();
    const outcomes: Outcome[] = work(message);
    message.interrupt(LOST, { grace: 0 });
    await clock.settle();
    assertEquals([outcomes, message.failed], [["lost"], false]);
  }
});

test("Dispatcher drops what was delivered by a consumer that is lost, and makes room", async () => {
  let runs = 0;
  const { broker, executor } = await ready(() => runs++);
  const { consumer, settlement, messages } = received(2);
  for (const message of messages) message.message = message.message.copy({ actorName: "fn" });
  const dispatcher = new Dispatcher(broker, executor);
  dispatcher.deliver(messages, settlement);
  consumer.hasLost = true;
  dispatcher.open();
  await dispatcher.idle();
  assertEquals([runs, settlement.unsettled, consumer.calls], [0, 0, []]);
});

test("Dispatcher.giveBack returns what has not begun to its queue, in order", async () => {
  const { broker, executor } = await ready(() => {});
  const { consumer, settlement, messages } = received(2);
  for (const message of messages) message.message = message.message.copy({ actorName: "fn" });
  const dispatcher = new Dispatcher(broker, executor);
  dispatcher.deliver(messages, settlement);
  dispatcher.giveBack();
  await dispatcher.idle();
  await settlement.flushed();
  assertEquals(consumer.calls, ["requeue 0,1"]);
});
