import { assertEquals } from "@std/assert";
import { SqliteBroker } from "@dq/dramatiq";
import { firstArgs, receiveCount, work } from "../../conformance/broker_messages.ts";
import { test } from "../../support/test.ts";

const COUNT = 12;
const LONG = "x".repeat(2_000_000);
const NUMBERS = Array.from({ length: COUNT }, (_, n) => n);

test("Consumer.receive reads long bodies in several turns, in order, and close gives back the rest", async () => {
  await using broker = new SqliteBroker({ path: ":memory:" });
  for (const n of NUMBERS) await broker.enqueue(work("default", n, n % 3 === 0 ? "short" : LONG));
  const closed = broker.consume("default", { prefetch: COUNT });
  const first = await closed.receive(COUNT);
  assertEquals(firstArgs(first), NUMBERS.slice(0, first.length));
  await closed.ack(first.slice(0, 1));
  await closed.close();
  const { ready, unacknowledged } = await broker.getQueueMessageCounts("default");
  assertEquals([ready, unacknowledged], [COUNT - 1, 0]);
  await using consumer = broker.consume("default", { prefetch: COUNT });
  const received = await receiveCount(consumer, COUNT - 1);
  assertEquals(firstArgs(received), NUMBERS.slice(1));
  await consumer.ack(received);
  await broker.join("default");
});
