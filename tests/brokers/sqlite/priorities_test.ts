import { assertEquals } from "@std/assert";
import { actor, SqliteBroker } from "@dq/dramatiq";
import { systemClock } from "../../../platform/clock.ts";
import { firstArgs, receiveCount } from "../../conformance/broker_messages.ts";
import { test } from "../../support/test.ts";

test("SqliteBroker gives messages of a higher brokerPriority first, over the whole queue", async () => {
  await using broker = new SqliteBroker({ path: ":memory:", maxPriority: 10 });
  const urgent = actor((_name: string) => {}, { broker, actorName: "urgent", brokerPriority: 5 });
  const usual = actor((_name: string) => {}, { broker, actorName: "usual" });
  for (let i = 0; i < 200; i++) await usual.send(`usual ${i}`);
  await urgent.send("urgent 1");
  await urgent.sendWithOptions({ args: ["most urgent"], brokerPriority: 99 }); // counts as 10
  await urgent.sendWithOptions({ args: ["also 10"], brokerPriority: 10 });
  await usual.sendWithOptions({ args: ["odd"], brokerPriority: 1.5 }); // counts as 0
  await usual.sendWithOptions({ args: ["negative"], brokerPriority: -3 }); // counts as 0
  await urgent.send("urgent 2");
  await using few = broker.consume("default", { prefetch: 2 });
  await using consumer = broker.consume("default", { prefetch: 300 });
  const received = firstArgs([
    ...await receiveCount(few, 2),
    ...await receiveCount(consumer, 204),
  ]);
  assertEquals(received.slice(0, 5), ["most urgent", "also 10", "urgent 1", "urgent 2", "usual 0"]);
  assertEquals(received.slice(-3), ["usual 199", "odd", "negative"]);
});

test("SqliteBroker without maxPriority keeps the order of sending, whatever brokerPriority says", async () => {
  await using broker = new SqliteBroker({ path: ":memory:" });
  const note = actor((_n: number) => {}, { broker, actorName: "note" });
  for (let n = 0; n < 3; n++) await note.sendWithOptions({ args: [n], brokerPriority: n });
  await using first = broker.consume("default");
  await using others = broker.consume("default", { prefetch: 2 });
  assertEquals(firstArgs(await receiveCount(first, 1)), [0]);
  assertEquals(firstArgs(await receiveCount(others, 2)), [1, 2]);
});

test("SqliteBroker keeps the order of sending when the clock is set back", async () => {
  let now = Date.now();
  const clock = { ...systemClock, now: () => now };
  await using broker = new SqliteBroker({ path: ":memory:", clock });
  const note = actor((_n: number) => {}, { broker, actorName: "note" });
  for (let n = 0; n < 3; n++) {
    await note.send(n);
    now -= 3_600_000;
  }
  await using consumer = broker.consume("default", { prefetch: 3 });
  assertEquals(firstArgs(await receiveCount(consumer, 3)), [0, 1, 2]);
});
