import { assert, assertEquals } from "@std/assert";
import { deadline } from "@std/async";
import {
  ConnectionClosed,
  DecodeError,
  MessageProxy,
  type Middleware,
  MiddlewareError,
  type Outcome,
  UndecodableMessage,
} from "@dq/dramatiq";
import { test } from "../support/test.ts";
import { received } from "./settlement_fixture.ts";

/** Middleware that writes down the hooks of settling. */
function hookRecorder(events: string[]): Middleware {
  return {
    beforeAck: (_broker, message) => void events.push(`beforeAck ${message.args[0]}`),
    afterAck: (_broker, message) => void events.push(`afterAck ${message.args[0]}`),
    beforeNack: (_broker, message) =>
      void events.push(`beforeNack ${message.args[0]}${message.failed ? " failed" : ""}`),
    afterNack: (_broker, message) => void events.push(`afterNack ${message.args[0]}`),
  };
}

const OUTCOMES: Record<Outcome, { call: string; hooks: string[] }> = {
  done: { call: "ack 0", hooks: ["beforeAck 0", "afterAck 0"] },
  retried: { call: "ack 0", hooks: ["beforeAck 0", "afterAck 0"] },
  skipped: { call: "ack 0", hooks: ["beforeAck 0", "afterAck 0"] },
  skippedAndFailed: { call: "nack 0", hooks: ["beforeNack 0", "afterNack 0"] },
  cancelled: { call: "ack 0", hooks: ["beforeAck 0", "afterAck 0"] },
  failed: { call: "nack 0", hooks: ["beforeNack 0", "afterNack 0"] },
  unknownActor: { call: "nack 0", hooks: ["beforeNack 0 failed", "afterNack 0"] },
  undecodable: { call: "nack ", hooks: [] },
  followUpNotStored: { call: "requeue 0", hooks: [] },
  lost: { call: "requeue 0", hooks: [] },
};

for (const [outcome, { call, hooks }] of Object.entries(OUTCOMES)) {
  test(`Settlement settles the outcome ${outcome} by ${call.split(" ")[0]}`, async () => {
    const events: string[] = [];
    const { consumer, settlement, messages } = received(1, [hookRecorder(events)]);
    const message = outcome === "undecodable"
      ? new MessageProxy(new UndecodableMessage("q", new DecodeError("no message", "data")))
      : messages[0]!;
    settlement.settle(message, outcome as Outcome);
    await settlement.flushed();
    assertEquals(consumer.calls, [call]);
    assertEquals(events, hooks);
    assertEquals(settlement.unsettled, 0);
  });
}

test("Settlement settles all of one turn with one call of each kind", async () => {
  const { consumer, settlement, messages } = received(9);
  const outcomes: Outcome[] = ["done", "failed", "lost"];
  for (const [i, message] of messages.entries()) settlement.settle(message, outcomes[i % 3]!);
  await settlement.flushed();
  assertEquals(consumer.calls.toSorted(), ["ack 0,3,6", "nack 1,4,7", "requeue 2,5,8"]);
});

test("Settlement does not keep an acknowledgement waiting when nothing else happens", async () => {
  const { clock, consumer, settlement, messages } = received(1);
  const acked = new Promise<void>((resolve) => consumer.onCall = () => resolve());
  settlement.settle(messages[0]!, "done");
  assertEquals(clock.pendingTimers, 0);
  await deadline(acked, 10_000); // without a call of `flushed`
});

test("Settlement.unsettled counts what was received and not handed to the consumer", async () => {
  const { settlement, messages, told } = received(3);
  assertEquals(settlement.unsettled, 3);
  settlement.settle(messages[0]!, "done");
  settlement.settle(messages[1]!, "lost");
  await settlement.flushed();
  assertEquals(settlement.unsettled, 1);
  assert(told.includes("room"), "it did not tell that there is room");
  settlement.received(2);
  assertEquals(settlement.unsettled, 3);
});

test("Settlement.flushed resolves when the consumer and the after hooks are done", async () => {
  const events: string[] = [];
  const steps = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
  const { clock, consumer, settlement, messages } = received(1, [{
    async afterAck() {
      await steps[1]!.promise;
      events.push("hook");
    },
  }]);
  consumer.onCall = () => steps[0]!.promise;
  settlement.settle(messages[0]!, "done");
  const flushing = settlement.flushed().then(() => events.push("flushed"));
  for (const step of steps) {
    await clock.settle();
    assertEquals(events, []);
    step.resolve();
  }
  await flushing;
  assertEquals(events, ["hook", "flushed"]);
});

test("Settlement.flushed resolves at once when there is nothing to settle", async () => {
  const { consumer, settlement } = received(2);
  await settlement.flushed();
  assertEquals(consumer.calls, []);
});

test("Settlement waits for a beforeAck that is asynchronous, and for that message only", async () => {
  const slow = Promise.withResolvers<void>();
  const { clock, consumer, settlement, messages } = received(2, [{
    beforeAck: (_broker, message) => message.args[0] === 0 ? slow.promise : undefined,
  }]);
  for (const message of messages) settlement.settle(message, "done");
  await clock.settle();
  assertEquals(consumer.calls, ["ack 1"]);
  assertEquals(settlement.unsettled, 1);
  slow.resolve();
  await settlement.flushed();
  assertEquals(consumer.calls, ["ack 1", "ack 0"]);
});

test("Settlement settles a message though a before hook fails, and calls the after hook", async () => {
  for (const error of [new MiddlewareError("no"), new Error("broken")]) {
    const throws = () => {
      throw error;
    };
    for (const object of [throws, () => Promise.reject(error)]) {
      const events: string[] = [];
      const recorder = hookRecorder(events);
      const { consumer, settlement, messages } = received(2, [
        { beforeAck: object, beforeNack: object },
        { afterAck: recorder.afterAck!, afterNack: recorder.afterNack! },
      ]);
      settlement.settle(messages[0]!, "done");
      settlement.settle(messages[1]!, "failed");
      await settlement.flushed();
      assertEquals(consumer.calls.toSorted(), ["ack 0", "nack 1"]);
      assertEquals(events.toSorted(), ["afterAck 0", "afterNack 1"]);
      assertEquals(settlement.unsettled, 0);
    }
  }
});

test("Settlement reports a failed consumer, and then calls no after hook", async () => {
  const events: string[] = [];
  const { consumer, settlement, messages, told } = received(4, [hookRecorder(events)]);
  const cut = new ConnectionClosed("cut");
  consumer.onCall = () => Promise.reject(cut);
  const outcomes: Outcome[] = ["done", "failed", "lost"];
  for (const [i, outcome] of outcomes.entries()) settlement.settle(messages[i]!, outcome);
  await settlement.flushed();
  assertEquals(events, ["beforeAck 0", "beforeNack 1"]);
  assertEquals(settlement.unsettled, 1);
  assertEquals(told.filter((one) => one !== "room"), [cut, cut, cut]);
  consumer.onCall = () => {};
  settlement.settle(messages[3]!, "done");
  await settlement.flushed();
  assertEquals(events.slice(2), ["beforeAck 3", "afterAck 3"]);
});

test("Settlement calls the after hooks in the order of the messages, once they are settled", async () => {
  const events: string[] = [];
  const { consumer, settlement, messages } = received(3, [hookRecorder(events)]);
  consumer.onCall = (verb) => void events.push(verb);
  for (const message of messages) settlement.settle(message, "done");
  await settlement.flushed();
  const before = [0, 1, 2].map((n) => `beforeAck ${n}`);
  assertEquals(events, [...before, "ack", "afterAck 0", "afterAck 1", "afterAck 2"]);
});
