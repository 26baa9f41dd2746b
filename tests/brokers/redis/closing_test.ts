import { assertEquals } from "@std/assert";
import type { Consumer, MessageProxy, RedisBroker } from "@dq/dramatiq";
import { nextTurn } from "../../../platform/runtime.ts";
import { firstArgs, receiveCount, work } from "../../conformance/broker_messages.ts";
import { startProxy } from "../../support/servers/proxy.ts";
import { eventually, Fixture, startForFile } from "./fixture.ts";

const { test, server } = await startForFile();

const NO_HEARTBEAT = { maintenanceInterval: Infinity };
const numbers = (count: number) => Array.from({ length: count }, (_, i) => i);
const sorted = (values: readonly unknown[]) => (values as number[]).toSorted((a, b) => a - b);

for (const what of ["Consumer", "Broker"] as const) {
  test(`Redis${what}.close waits for the fetch under way, and gives back what it brings`, async () => {
    await using proxy = await startProxy(server);
    await using fixture = new Fixture(server);
    const broker = fixture.open({ url: `redis://${proxy.host}:${proxy.port}`, ...NO_HEARTBEAT });
    await broker.enqueueMany(numbers(10).map((n) => work("q", n)));
    const consumer = broker.consume("q", { prefetch: 10 });
    const before = proxy.bytesToTarget;
    await server.pause();
    let receiving: Promise<unknown[]>;
    let closing: Promise<void>;
    try {
      receiving = consumer.receive(10);
      await eventually("fetch", () => proxy.bytesToTarget > before);
      closing = what === "Consumer" ? consumer.close() : broker.close();
    } finally {
      server.continue();
    }
    await closing;
    assertEquals(await receiving, []);
    assertEquals(await fixture.held(broker.brokerId, "q"), 0);
    assertEquals(await fixture.firstArgs("q"), numbers(10));
  });

  // Below 64 nothing is fetched ahead; above 1,000 a fetch brings less than the prefetch.
  for (const prefetch of [64, 128, 1_500]) {
    test(`Redis${what}.close gives back what was fetched ahead, with a prefetch of ${prefetch}`, async () => {
      await using fixture = new Fixture(server);
      const broker = fixture.open(NO_HEARTBEAT);
      const consumer = broker.consume("q", { prefetch });
      const half = prefetch / 2;
      const given = await receiveHalf(broker, consumer, prefetch);
      // The whole prefetch is pending or buffered, and half of it was received.
      assertEquals(await fixture.held(broker.brokerId, "q"), prefetch);
      await (what === "Consumer" ? consumer.close() : broker.close());
      assertEquals(await fixture.held(broker.brokerId, "q"), 0);
      assertEquals(sorted(firstArgs(given)), numbers(half).map((n) => prefetch + n));
      assertEquals(await fixture.firstArgs("q"), numbers(prefetch).map((n) => prefetch + n));
    });
  }

  test(`Redis${what}.close waits for a fetch ahead under way, and gives back what it brings`, async () => {
    await using fixture = new Fixture(server);
    const broker = fixture.open(NO_HEARTBEAT);
    const consumer = broker.consume("q", { prefetch: 128 });
    await receiveHalf(broker, consumer, 128);
    await (what === "Consumer" ? consumer.close() : broker.close());
    assertEquals(await fixture.held(broker.brokerId, "q"), 0);
    assertEquals(sorted(await fixture.firstArgs("q")), numbers(128).map((n) => 128 + n));
  });
}

test("RedisBroker.close ends a receive that was about to fetch", async () => {
  await using fixture = new Fixture(server);
  const broker = fixture.open(NO_HEARTBEAT);
  await broker.enqueue(work("q", 0));
  const consumer = broker.consume("q", { prefetch: 100 });
  const receiving = consumer.receive(1); // less than a batch: it waits for the end of the turn
  await broker.close();
  assertEquals(await receiving, []);
  assertEquals(await fixture.firstArgs("q"), [0]);
});

for (const verb of ["ack", "nack", "requeue"] as const) {
  test(`RedisConsumer.close waits until Redis has heard of each ${verb} before it`, async () => {
    await using fixture = new Fixture(server);
    const broker = fixture.open(NO_HEARTBEAT);
    await broker.enqueueMany(numbers(2).map((n) => work("q", n)));
    const consumer = broker.consume("q", { prefetch: 2 });
    const messages = await receiveCount(consumer, 2);
    let isSettled = false;
    const settling = consumer[verb](messages).then(() => isSettled = true);
    await consumer.close();
    await nextTurn(); // Promises that have settled with it tell so in this turn.
    assertEquals(isSettled, true);
    await settling;
  });
}

test("RedisConsumer.close requeues unsettled messages, and leaves the others", async () => {
  await using fixture = new Fixture(server);
  const broker = fixture.open(NO_HEARTBEAT);
  await broker.enqueueMany(numbers(8).map((n) => work("q", n)));
  const consumer = broker.consume("q", { prefetch: 8 });
  const messages = await receiveCount(consumer, 8);
  const settling = [
    consumer.ack(messages.slice(0, 2)),
    consumer.nack(messages.slice(2, 4)),
    consumer.requeue(messages.slice(4, 6)),
  ];
  await consumer.close();
  // Without another round trip: closed means that Redis has heard of everything.
  assertEquals(await fixture.held(broker.brokerId, "q"), 0);
  assertEquals(sorted(await fixture.firstArgs("q")), [4, 5, 6, 7]);
  assertEquals(await fixture.command("ZCARD", fixture.key("q.XQ")), 2);
  await Promise.all(settling);
});

/**
 * Receives half of the prefetch, while the other half is fetched ahead: the first arguments
 * begin at the prefetch, since as many were acknowledged before.
 */
async function receiveHalf(
  broker: RedisBroker,
  consumer: Consumer,
  prefetch: number,
): Promise<MessageProxy[]> {
  const half = prefetch / 2;
  await broker.enqueueMany(numbers(2 * prefetch).map((n) => work("q", n)));
  const first = await receiveCount(consumer, prefetch);
  await consumer.ack(first.slice(0, half));
  const receiving = consumer.receive(half);
  // Room for another half, while the first is pending.
  const acknowledging = consumer.ack(first.slice(half));
  const received = await receiving;
  acknowledging.catch(() => {}); // It travels with the fetch ahead.
  return received;
}

test("RedisBroker.close waits for what was sent before it and not awaited", async () => {
  await using fixture = new Fixture(server);
  const broker = fixture.open(NO_HEARTBEAT);
  await broker.connect();
  const sending = [
    broker.enqueue(work("q", 0)),
    // More calls than are under way at a time.
    broker.enqueueMany(numbers(9_999).map((n) => work("q", n + 1))),
  ];
  await broker.close();
  await Promise.all(sending);
  assertEquals((await fixture.ids("q")).length, 10_000);
});
