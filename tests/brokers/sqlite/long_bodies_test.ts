import { assertEquals } from "@std/assert";
import { SqliteBroker } from "@dq/dramatiq";
import { LongBodies } from "../../../brokers/sqlite/long_bodies.ts";
import { connectionOf } from "../../../clients/sqlite/handles.ts";
import { firstArgs, receiveCount, work } from "../../conformance/broker_messages.ts";
import { eventually } from "../../support/servers/until.ts";
import { test } from "../../support/test.ts";

const COUNT = 12;
/** Milliseconds after which reading goes on in a later turn. */
const LONGEST_READING = 4;
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

test("Consumer.receive gives messages in order though a claim overtakes the reading of long bodies", async () => {
  await using broker = new SqliteBroker({ path: ":memory:" });
  const connection = connectionOf(broker);
  const accepted: number[] = [];
  const bodies = new LongBodies(connection, {
    accept: ([id]) => void accepted.push(id),
    resume: () => bodies.read(bodies.takeAll()),
    fail: (error) => assertEquals(error, undefined),
  });
  await connection.open();
  connection.statement = () => ({
    run: () => ({ changes: 0, lastInsertRowid: 0 }),
    all: () => [],
    get: () => { // takes as long as a long one does
      const endsAt = performance.now() + LONGEST_READING + 1;
      while (performance.now() < endsAt);
      return { body: "" };
    },
  });
  const rows = [1, 2, 3, 4].map((id) => [id, 0, 0, id === 4 ? "short" : null, null] as const);
  bodies.read(rows.slice(0, 2));
  bodies.read(rows.slice(2)); // the next claim
  assertEquals([accepted, bodies.size], [[1], 3]);
  await eventually("read all", () => accepted.length === rows.length);
  assertEquals(accepted, [1, 2, 3, 4]);
});

test("Consumer.receive gives a message whose body is missing as undecodable, and none that was flushed", async () => {
  await using broker = new SqliteBroker({ path: ":memory:" });
  await broker.enqueue(work("default", 1, LONG));
  await broker.enqueue(work("default", 2));
  const connection = connectionOf(broker);
  connection.statement("delete from dramatiq_bodies").run(); // as another program may
  await using consumer = broker.consume("default", { prefetch: 2 });
  const [bodiless, other] = await receiveCount(consumer, 2);
  assertEquals([bodiless!.actorName, other!.args[0]], ["", 2]);
  await consumer.nack(bodiless!);
  await consumer.ack(other!);
  const { unacknowledged, dead } = await broker.getQueueMessageCounts("default");
  assertEquals([unacknowledged, dead], [0, 1]);

  const accepted: number[] = [];
  const bodies = new LongBodies(connection, {
    accept: ([id]) => void accepted.push(id),
    resume: () => {},
    fail: (error) => assertEquals(error, undefined),
  });
  bodies.read([[99, 0, 0, null, null], [100, 0, 0, "short", null]]);
  assertEquals(accepted, [100]);
});
