import { assertEquals } from "@std/assert";
import { FETCH } from "../../../brokers/redis/scripts.ts";
import { receiveCount, work } from "../../conformance/broker_messages.ts";
import { FakeClock } from "../../support/fake_clock.ts";
import { startProxy } from "../../support/servers/proxy.ts";
import { Monitor, runsOf } from "./monitor.ts";
import { eventually, Fixture, startForFile } from "./fixture.ts";

const { test, server } = await startForFile();

const NO_HEARTBEAT = { maintenanceInterval: Infinity };
const HOUR = 3_600_000;
const numbers = (count: number) => Array.from({ length: count }, (_, i) => i);

test("RedisConsumer fetches nothing for a receive that was aborted in its turn", async () => {
  await using fixture = new Fixture(server);
  const broker = fixture.open(NO_HEARTBEAT);
  await broker.enqueueMany(numbers(5).map((n) => work("q", n)));
  await using consumer = broker.consume("q", { prefetch: 100 });
  const aborter = new AbortController();
  const receiving = consumer.receive(1, { signal: aborter.signal }); // less than a batch
  aborter.abort();
  assertEquals(await receiving, []);
  await broker.getQueueMessageCounts("q"); // behind any fetch
  assertEquals(await fixture.held(broker.brokerId, "q"), 0);
});

for (const end of ["aborted", "closed"] as const) {
  test(`RedisConsumer fetches nothing ahead once it is ${end}`, async () => {
    await using fixture = new Fixture(server);
    await using monitor = await Monitor.open(server);
    const broker = fixture.open(NO_HEARTBEAT);
    await broker.enqueueMany(numbers(200).map((n) => work("q", n)));
    await using consumer = broker.consume("q", { prefetch: 64 });
    const first = await receiveCount(consumer, 64);
    await consumer.ack(first.slice(0, 32));
    const aborter = new AbortController();
    await monitor.take();
    const receiving = consumer.receive(32, { signal: aborter.signal });
    const closing = end === "closed" ? consumer.close() : aborter.abort();
    // From here on there is room for another half.
    await consumer.ack(first.slice(32));
    await receiving;
    await closing;
    await broker.getQueueMessageCounts("q");
    assertEquals(runsOf(FETCH, await monitor.take()).length, 1);
  });
}

test("RedisConsumer.close takes back its timer for a delayed message", async () => {
  await using fixture = new Fixture(server);
  const clock = new FakeClock();
  const broker = fixture.open({ clock, ...NO_HEARTBEAT });
  await broker.enqueue(work("q", "late"), { delay: HOUR });
  const consumer = broker.consume("q.DQ");
  const receiving = consumer.receive(1);
  await eventually("wait for the message", () => clock.pendingTimers === 1);
  await consumer.close();
  assertEquals(await receiving, []);
  assertEquals(clock.pendingTimers, 0);
});

test("RedisConsumer.close waits for nothing more once the fetch under way is answered", async () => {
  await using proxy = await startProxy(server);
  await using fixture = new Fixture(server);
  const clock = new FakeClock();
  const url = `redis://${proxy.host}:${proxy.port}`;
  const broker = fixture.open({ url, clock, ...NO_HEARTBEAT });
  await broker.enqueue(work("q", "late"), { delay: HOUR });
  const consumer = broker.consume("q.DQ");
  const before = proxy.bytesToTarget;
  await server.pause();
  let closing: Promise<void>;
  try {
    void consumer.receive(1);
    await eventually("fetch", () => proxy.bytesToTarget > before);
    closing = consumer.close();
  } finally {
    server.continue();
  }
  await closing;
  assertEquals(clock.pendingTimers, 0);
});
