import { assertEquals } from "@std/assert";
import { type DeadLetter, Message, type RedisBroker } from "@dq/dramatiq";
import { EXPIRE } from "../../../brokers/redis/dead_letter_scripts.ts";
import { receiveCount, receiveOne, textOf, work } from "../../conformance/broker_messages.ts";
import { withEnvironment } from "../../support/environment.ts";
import { FakeClock } from "../../support/fake_clock.ts";
import { startProxy } from "../../support/servers/proxy.ts";
import type { MessageVectors } from "../../support/vectors.ts";
import messages from "../../vectors/messages.json" with { type: "json" };
import { Monitor, runsOf } from "./monitor.ts";
import { eventually, Fixture, startForFile } from "./fixture.ts";

const { test, server } = await startForFile();
const { cases } = messages as unknown as MessageVectors;

const DAY = 86_400_000;
/** Nothing is dropped unless a test asks for it. */
const NO_HEARTBEAT = { maintenanceInterval: Infinity };
const numbers = (count: number) => Array.from({ length: count }, (_, i) => i);

/** Puts dead letters where Python puts them: all at one time, unless told otherwise. */
async function putDead(
  fixture: Fixture,
  texts: readonly string[],
  diedAt: (i: number) => number = () => 1_700_000_000_000,
): Promise<void> {
  const letters = texts.map((text, i) => ({ id: `id-${String(i).padStart(6, "0")}`, text, i }));
  await fixture.command(
    "ZADD",
    fixture.key("q.XQ"),
    ...letters.flatMap(({ id, i }) => [diedAt(i), id]),
  );
  await fixture.command(
    "HSET",
    fixture.key("q.XQ.msgs"),
    ...letters.flatMap(({ id, text }) => [id, text]),
  );
}

function textsOf(count: number): string[] {
  return Array.from({ length: count }, (_, i) => {
    return new Message({ queueName: "q", actorName: "work", args: [i] }).encode() as string;
  });
}

/** The arguments of a message as they are spelled. */
function argsIn(text: string): string {
  return /"args":(.*),"options"/.exec(text)![1]!;
}

async function requeueAll(broker: RedisBroker, pageSize = 100): Promise<number> {
  let count = 0;
  for await (const dead of broker.deadLetters("q", { pageSize })) {
    if (await dead.requeue()) count += 1;
  }
  return count;
}

test("RedisBroker.deadLetters reads what Python left, and requeue keeps its arguments", async () => {
  await using fixture = new Fixture(server);
  const broker = fixture.open();
  const vectors = cases.filter(({ label }) => ["floats", "kwargs", "retried"].includes(label));
  await putDead(fixture, vectors.map(({ utf8 }) => utf8), (i) => 1_700_000_000_000 + i);
  const read: DeadLetter[] = [];
  for await (const dead of broker.deadLetters("q")) read.push(dead);
  assertEquals(read.map(({ diedAt }) => diedAt), [0, 1, 2].map((i) => 1_700_000_000_000 + i));
  assertEquals(read.map(({ message }) => message.encode()), vectors.map(({ utf8 }) => utf8));
  assertEquals(read.map(({ retries }) => retries), [0, 0, 2]);

  assertEquals(await requeueAll(broker), 3);
  await using consumer = broker.consume("q", { prefetch: 3 });
  const back = await receiveCount(consumer, 3);
  assertEquals(
    back.map(({ message }) => argsIn(textOf(message.encode()))),
    vectors.map(({ utf8 }) => argsIn(utf8)),
  );
  assertEquals(back.map(({ queueName }) => queueName), ["q", "q", "q"]);
  assertEquals(await fixture.command("EXISTS", fixture.key("q.XQ"), fixture.key("q.XQ.msgs")), 0);
});

test("RedisBroker.deadLetters gives those of one millisecond once each, however small the pages", async () => {
  await using fixture = new Fixture(server);
  const broker = fixture.open();
  await putDead(fixture, textsOf(500), (i) => 1_700_000_000_000 + Math.floor(i / 200));
  const seen = new Set<unknown>();
  let count = 0;
  for await (const dead of broker.deadLetters("q", { pageSize: 7 })) {
    count += 1;
    seen.add(dead.message.args[0]);
    if (count % 2 === 0) await dead.requeue();
    if (count % 5 === 0) await dead.drop();
  }
  assertEquals([count, seen.size], [500, 500]);
  assertEquals((await fixture.ids("q")).length, 250);
  assertEquals(await fixture.command("ZCARD", fixture.key("q.XQ")), 200);
  assertEquals(await fixture.command("HLEN", fixture.key("q.XQ.msgs")), 200);
});

test("DeadLetter.requeue puts a message on its Redis queue once, whoever else does so", async () => {
  await using fixture = new Fixture(server);
  await putDead(fixture, textsOf(100));
  const counts = await Promise.all([3, 10, 100].map((size) => requeueAll(fixture.open(), size)));
  assertEquals(counts.reduce((sum, count) => sum + count), 100);
  const args = await fixture.firstArgs("q");
  assertEquals([args.length, new Set(args).size], [100, 100]);
});

test("RedisBroker.deadLetters asks for a page at a time", async () => {
  await using fixture = new Fixture(server);
  const broker = fixture.open();
  await putDead(fixture, textsOf(50), (i) => 1_700_000_000_000 + i);
  await using monitor = await Monitor.open(server);
  assertEquals(await requeueAll(broker, 10), 50);
  const sizes = (await monitor.take()).filter(([name]) => name!.toLowerCase() === "hmget")
    .map((command) => command.length - 2);
  assertEquals(Math.max(...sizes), 10);
});

test("DeadLetter.requeue puts a message on its queue once when the answer was cut off", async () => {
  await using proxy = await startProxy(server);
  await using fixture = new Fixture(server);
  const broker = fixture.open({ url: `redis://${proxy.host}:${proxy.port}` });
  await putDead(fixture, textsOf(2));
  for await (const dead of broker.deadLetters("q")) {
    const before = proxy.bytesToTarget;
    await server.pause();
    const requeueing = dead.requeue();
    await eventually("ask", () => Promise.resolve(proxy.bytesToTarget > before));
    proxy.freeze();
    server.continue();
    await eventually("requeue", async () => (await fixture.ids("q")).length === 1);
    await proxy.cut();
    proxy.thaw();
    assertEquals(await requeueing, true);
    break;
  }
  assertEquals((await fixture.ids("q")).length, 1);
  assertEquals(await fixture.command("HLEN", fixture.key("q.msgs")), 1);
  assertEquals(await fixture.command("ZCARD", fixture.key("q.XQ")), 1);
});

// Reference: dramatiq_dead_message_ttl
test("RedisBroker.maintain drops dead letters older than dramatiq_dead_message_ttl says", async () => {
  await using fixture = new Fixture(server);
  const clock = new FakeClock();
  await withEnvironment({ dramatiq_dead_message_ttl: "1000" }, async () => {
    const broker = fixture.open({ clock, ...NO_HEARTBEAT });
    broker.declareQueue("q");
    await using consumer = broker.consume("q");
    for (const n of numbers(2)) {
      await broker.enqueue(work("q", n));
      await consumer.nack([await receiveOne(consumer)]);
      await clock.advance(999);
      await broker.maintain();
    }
    assertEquals((await broker.getQueueMessageCounts("q")).dead, 1);
    await clock.advance(1);
    await broker.maintain();
    assertEquals((await broker.getQueueMessageCounts("q")).dead, 0);
    assertEquals(await fixture.command("EXISTS", fixture.key("q.XQ.msgs")), 0);
  });
});

test("RedisBroker.maintain drops old dead letters of many queues in few calls", async () => {
  await using fixture = new Fixture(server);
  const clock = new FakeClock();
  const broker = fixture.open({ clock, deadMessageTtl: 1_000, ...NO_HEARTBEAT });
  for (const n of numbers(300)) broker.declareQueue(`q${n}`);
  const filled = ["q1", "q150", "q299"];
  const bury = async (queueName: string, count: number) => {
    await broker.enqueueMany(numbers(count).map((n) => work(queueName, n)));
    await using consumer = broker.consume(queueName, { prefetch: count });
    await consumer.nack(await receiveCount(consumer, count));
  };
  for (const queueName of filled) await bury(queueName, 700);
  await clock.advance(1_000);
  for (const queueName of filled) await bury(queueName, 2);
  await using monitor = await Monitor.open(server);
  await broker.maintain();
  const runs = runsOf(EXPIRE, await monitor.take());
  const own = runs.filter((args) => args.some((arg) => arg.startsWith(fixture.key(""))));
  assertEquals(own.length, 3); // a thousand in each
  for (const queueName of filled) {
    assertEquals((await broker.getQueueMessageCounts(queueName)).dead, 2);
    assertEquals(await fixture.command("HLEN", fixture.key(`${queueName}.XQ.msgs`)), 2);
  }
});

test("RedisBroker.maintain keeps dead letters for seven days, or for deadMessageTtl", async () => {
  for (const [options, ttl] of [[{}, 7 * DAY], [{ deadMessageTtl: 5 }, 5]] as const) {
    await using fixture = new Fixture(server);
    const clock = new FakeClock();
    const broker = fixture.open({ clock, ...NO_HEARTBEAT, ...options });
    broker.declareQueue("q");
    await broker.enqueueMany(numbers(1_200).map((n) => work("q", n)));
    await using consumer = broker.consume("q", { prefetch: 2_000 });
    await consumer.nack(await receiveCount(consumer, 1_200));
    await clock.advance(ttl - 1);
    await broker.maintain();
    assertEquals((await broker.getQueueMessageCounts("q")).dead, 1_200);
    await clock.advance(1);
    await broker.maintain();
    assertEquals((await broker.getQueueMessageCounts("q")).dead, 0);
  }
});
