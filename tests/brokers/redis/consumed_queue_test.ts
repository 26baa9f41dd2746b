import { assertEquals } from "@std/assert";
import type { RedisBroker } from "@dq/dramatiq";
import { firstArgs, receiveCount, work } from "../../conformance/broker_messages.ts";
import { FakeClock } from "../../support/fake_clock.ts";
import { startProxy } from "../../support/servers/proxy.ts";
import { loseAnswer } from "./lose_answer.ts";
import { Monitor, runsOf } from "./monitor.ts";
import { beat, eventually, Fixture, startForFile } from "./fixture.ts";
import { HEARTBEAT } from "../../../brokers/redis/recovery_scripts.ts";

const { test, server } = await startForFile();

const NO_HEARTBEAT = { maintenanceInterval: Infinity };
const numbers = (count: number) => Array.from({ length: count }, (_, i) => i);
const sorted = (values: readonly unknown[]) => (values as number[]).toSorted((a, b) => a - b);

/** Lets a broker check for lost deliveries, several times. */
async function look(broker: RedisBroker, clock: FakeClock, times: number): Promise<void> {
  for (let i = 0; i < times; i++) {
    await beat(broker, clock);
    await broker.getQueueMessageCounts("any"); // What the heartbeat's answer led to is answered, too.
  }
}

test("RedisBroker gives back what one consumer lost, and leaves the others what they hold", async () => {
  await using proxy = await startProxy(server);
  await using fixture = new Fixture(server);
  await using monitor = await Monitor.open(server);
  const clock = new FakeClock();
  const url = `redis://${proxy.host}:${proxy.port}`;
  const broker = fixture.open({ url, clock });
  const other = fixture.open(NO_HEARTBEAT);
  await other.enqueueMany(numbers(15).map((n) => work("q", n)));
  await using first = broker.consume("q", { prefetch: 5 });
  const held = await receiveCount(first, 5);
  await using losing = broker.consume("q", { prefetch: 20 });
  // The first to fetch comes first among the consumers of a queue.
  assertEquals(await losing.receive(1, { signal: AbortSignal.abort() }), []);
  await using last = broker.consume("q", { prefetch: 5 });
  await receiveCount(last, 5);
  let received: unknown[] | undefined;
  await loseAnswer(
    server,
    proxy,
    () => {
      receiveCount(losing, 5).then((messages) => received = firstArgs(messages), () => {});
    },
    async () => await fixture.held(broker.brokerId, "q") === 15,
  );
  await eventually("receive them after all", async () => {
    await beat(broker, clock);
    return received !== undefined;
  });
  assertEquals(sorted(received!), numbers(5).map((n) => 10 + n));
  await look(broker, clock, 2);
  await monitor.take();
  // Together they hold all messages that Redis counts: no check is necessary.
  await look(broker, clock, 5);
  const looks = (await monitor.take()).filter(([name]) => name === "smembers");
  assertEquals(looks, []);
  assertEquals(await fixture.held(broker.brokerId, "q"), 15);
  await first.ack(held);
  assertEquals(await fixture.held(broker.brokerId, "q"), 10);
});

test("RedisBroker gives back what was lost though its last consumer has closed", async () => {
  await using proxy = await startProxy(server);
  await using fixture = new Fixture(server);
  await using monitor = await Monitor.open(server);
  const clock = new FakeClock();
  const broker = fixture.open({ url: `redis://${proxy.host}:${proxy.port}`, clock });
  await fixture.open(NO_HEARTBEAT).enqueueMany(numbers(5).map((n) => work("q", n)));
  await broker.getQueueMessageCounts("q"); // connects
  const consumer = broker.consume("q", { prefetch: 5 });
  await loseAnswer(
    server,
    proxy,
    () => void consumer.receive(5),
    async () => await fixture.held(broker.brokerId, "q") === 5,
  );
  await consumer.close();
  assertEquals(await consumer.receive(5), []);
  await eventually("give them back", async () => {
    await look(broker, clock, 1);
    return (await fixture.ids("q")).length === 5;
  });
  assertEquals(await fixture.held(broker.brokerId, "q"), 0);
  // Then there is nothing left to look after.
  await look(broker, clock, 2);
  await monitor.take();
  await look(broker, clock, 5);
  assertEquals(runsOf(HEARTBEAT, await monitor.take()), []);
});

test("RedisBroker takes a message for lost only if it did not arrive between two looks", async () => {
  await using fixture = new Fixture(server);
  const clock = new FakeClock();
  const broker = fixture.open({ clock });
  await using consumer = broker.consume("q", { prefetch: 64 });
  await broker.enqueueMany(numbers(128).map((n) => work("q", n)));
  const first = await receiveCount(consumer, 64);
  await consumer.ack(first.slice(0, 32));
  let receiving = consumer.receive(32);
  let settling = consumer.ack(first.slice(32));
  const second = await receiving;
  await settling;
  // 32 messages have been fetched ahead, and no consumer holds them yet.
  await look(broker, clock, 1);
  const ahead = await consumer.receive(32);
  assertEquals(firstArgs(ahead), numbers(32).map((n) => 96 + n));
  await broker.enqueueMany(numbers(32).map((n) => work("q", 128 + n)));
  await consumer.requeue(ahead);
  receiving = consumer.receive(32);
  settling = consumer.ack(second);
  assertEquals(firstArgs(await receiving), numbers(32).map((n) => 128 + n));
  await settling;
  // The same 32, by another fetch.
  assertEquals(await fixture.ids("q"), []);
  await look(broker, clock, 2);
  assertEquals(await fixture.ids("q"), []);
  assertEquals(firstArgs(await consumer.receive(32)), numbers(32).map((n) => 96 + n));
});
