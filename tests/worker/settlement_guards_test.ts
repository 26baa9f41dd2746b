import { assert, assertEquals } from "@std/assert";
import { ConnectionClosed } from "@dq/dramatiq";
import { test } from "../support/test.ts";
import { received } from "./settlement_fixture.ts";

const SECOND = 1_000;

test("Settlement is stale once its consumer is abandoned, or has lost its lease", () => {
  const abandoned = received(1);
  assert(!abandoned.settlement.isStale);
  abandoned.settlement.abandon();
  assert(abandoned.settlement.isStale);

  const lost = received(1);
  lost.consumer.hasLost = true;
  assert(lost.settlement.isStale);
});

test("Settlement.dropped makes room for what is delivered again", () => {
  const { settlement, told, consumer } = received(2);
  settlement.dropped();
  assertEquals([settlement.unsettled, told, consumer.calls], [1, ["room"], []]);
});

test("Settlement gives back what cannot be finished after a second, and once", async () => {
  const { clock, settlement, consumer, messages } = received(1);
  settlement.settle(messages[0]!, "followUpNotStored");
  await clock.advance(SECOND - 1);
  assertEquals(consumer.calls, []);
  await clock.advance(1);
  assertEquals(consumer.calls, ["requeue 0"]);
  await settlement.flushed();
  await clock.advance(SECOND);
  assertEquals([consumer.calls, settlement.unsettled], [["requeue 0"], 0]);
});

test("Settlement.flushed gives back at once what waits for its second, and once", async () => {
  const { clock, settlement, consumer, messages } = received(1);
  settlement.settle(messages[0]!, "followUpNotStored");
  await settlement.flushed();
  await settlement.flushed();
  await clock.advance(SECOND);
  assertEquals([consumer.calls, settlement.unsettled], [["requeue 0"], 0]);
});

test("Settlement gives nothing back once its consumer is abandoned: it is delivered again", async () => {
  const { clock, settlement, consumer, messages } = received(1);
  settlement.settle(messages[0]!, "followUpNotStored");
  settlement.abandon();
  await clock.advance(SECOND);
  await settlement.flushed();
  assertEquals(consumer.calls, []);
});

test("Settlement that was abandoned does not tell of its consumer again", async () => {
  const { settlement, consumer, messages, told } = received(1);
  const gate = Promise.withResolvers<void>();
  consumer.onCall = () => gate.promise;
  settlement.settle(messages[0]!, "done");
  const flushing = settlement.flushed();
  settlement.abandon();
  gate.reject(new ConnectionClosed("cut")); // the next consumer of the loop must not fail of it
  await flushing;
  assertEquals(told.filter((one) => one !== "room"), []);
});
