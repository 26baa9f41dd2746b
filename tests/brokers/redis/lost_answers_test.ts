import { assert, assertEquals } from "@std/assert";
import type { Consumer, MessageProxy, RedisBroker, RedisBrokerOptions } from "@dq/dramatiq";
import { FETCH } from "../../../brokers/redis/scripts.ts";
import { nextTurn } from "../../../platform/runtime.ts";
import { firstArgs, receiveCount, work } from "../../conformance/broker_messages.ts";
import { FakeClock } from "../../support/fake_clock.ts";
import { startProxy, type TcpProxy } from "../../support/servers/proxy.ts";
import { loseAnswer } from "./lose_answer.ts";
import { Monitor, runsOf } from "./monitor.ts";
import { beat, eventually, Fixture, startForFile } from "./fixture.ts";

const { test, server } = await startForFile();

const NO_HEARTBEAT = { maintenanceInterval: Infinity };
const numbers = (count: number) => Array.from({ length: count }, (_, i) => i);

function openThrough(proxy: TcpProxy, fixture: Fixture, options: RedisBrokerOptions): RedisBroker {
  return fixture.open({ url: `redis://${proxy.host}:${proxy.port}`, ...options });
}

test("RedisBroker puts a message on its queue once when the answer to a send was cut off", async () => {
  await using proxy = await startProxy(server);
  await using fixture = new Fixture(server);
  const broker = openThrough(proxy, fixture, NO_HEARTBEAT);
  await broker.enqueue(work("q", "first"));
  await broker.getQueueMessageCounts("q"); // behind the note of the queue's name
  let sending: Promise<unknown> | undefined;
  await loseAnswer(
    server,
    proxy,
    () => sending = broker.enqueueMany(["second", "third"].map((text) => work("q", text))),
    async () => (await fixture.ids("q")).length === 3,
  );
  await sending;
  await broker.enqueue(work("q", "fourth"));
  assertEquals(await fixture.firstArgs("q"), ["first", "second", "third", "fourth"]);
  assertEquals(await fixture.command("HLEN", fixture.key("q.msgs")), 4);
});

test("RedisBroker keeps the order of messages of one turn though they were cut off in two calls", async () => {
  await using proxy = await startProxy(server);
  await using fixture = new Fixture(server);
  const broker = openThrough(proxy, fixture, NO_HEARTBEAT);
  const queues = numbers(10).map((n) => `q${n}`);
  await Promise.all(queues.map((queue) => broker.enqueue(work(queue, 0))));
  await broker.getQueueMessageCounts("q"); // behind the notes of the queues' names
  proxy.freeze();
  const sent = queues.flatMap((queue) => [1, 2, 3].map((n) => broker.enqueue(work(queue, n))));
  for (let turn = 0; turn < 3; turn++) await nextTurn();
  await proxy.cut();
  proxy.thaw();
  await Promise.all(sent);
  for (const queue of queues) assertEquals(await fixture.firstArgs(queue), [0, 1, 2, 3]);
});

test("RedisBroker delays a message once when the answer to its send was cut off", async () => {
  await using proxy = await startProxy(server);
  await using fixture = new Fixture(server);
  const broker = openThrough(proxy, fixture, NO_HEARTBEAT);
  await broker.enqueue(work("q", "first"));
  await broker.getQueueMessageCounts("q"); // behind the note of the queue's name
  let sending: Promise<unknown> | undefined;
  await loseAnswer(
    server,
    proxy,
    () => sending = broker.enqueue(work("q", "late"), { delay: 60_000 }),
    async () => (await fixture.ids("q.DQ")).length === 1,
  );
  await sending;
  assertEquals((await fixture.ids("q.DQ")).length, 1);
  assertEquals((await broker.getQueueMessageCounts("q")).delayed, 1);
});

test("RedisBroker gives back messages whose delivery was cut off, while it lives", async () => {
  await using proxy = await startProxy(server);
  await using fixture = new Fixture(server);
  const clock = new FakeClock();
  const broker = openThrough(proxy, fixture, { clock });
  await fixture.open(NO_HEARTBEAT).enqueueMany(numbers(10).map((n) => work("q", n)));
  await using consumer = broker.consume("q", { prefetch: 10 });
  await broker.getQueueMessageCounts("q"); // connects
  let receiving: Promise<unknown> | undefined;
  await loseAnswer(
    server,
    proxy,
    () => receiving = receiveCount(consumer, 10).then(firstArgs),
    async () => await fixture.held(broker.brokerId, "q") === 10,
  );
  let received: unknown;
  receiving!.then((values) => received = values, () => {});
  await eventually("receive them after all", async () => {
    await beat(broker, clock);
    return received !== undefined;
  });
  assertEquals((received as number[]).toSorted((a, b) => a - b), numbers(10));
  assertEquals(await fixture.held(broker.brokerId, "q"), 10);
  // Messages in flight are not lost, however often it checks.
  for (let second = 0; second < 5; second++) await beat(broker, clock);
  assertEquals(await fixture.held(broker.brokerId, "q"), 10);
  assertEquals(await fixture.ids("q"), []);
});

test("RedisBroker delivers large messages once though it was cut off between their ids and their texts", async () => {
  await using proxy = await startProxy(server);
  await using fixture = new Fixture(server);
  await using monitor = await Monitor.open(server);
  const clock = new FakeClock();
  const broker = openThrough(proxy, fixture, { clock });
  const texts = ["a", "b", "c", "d"].map((letter) => letter.repeat(30_000));
  await fixture.open(NO_HEARTBEAT).enqueueMany(texts.map((text) => work("q", text)));
  await using consumer = broker.consume("q", { prefetch: 2 });
  const first = await receiveCount(consumer, 2);
  await broker.getQueueMessageCounts("q"); // Nothing else is under way.
  await monitor.take();
  const before = proxy.totalConnections;
  proxy.begin({ kind: "cut", answers: 1 });
  const acknowledged = consumer.ack(first); // travels with the fetch of the others
  let second: MessageProxy[] | undefined;
  receiveCount(consumer, 2).then((received) => second = received, () => {});
  await eventually("connect again", () => Promise.resolve(proxy.totalConnections > before));
  proxy.heal();
  await acknowledged;
  await eventually("receive them after all", async () => {
    await beat(broker, clock);
    return second !== undefined;
  });
  const reads = (await monitor.take()).filter(([name]) => name === "hmget");
  assertEquals(reads.length, 2); // that which was cut off, and another
  assertEquals([...firstArgs(first), ...firstArgs(second!)].toSorted(), texts);
  await consumer.ack(second!);
  for (let beats = 0; beats < 3; beats++) await beat(broker, clock);
  const counts = { ready: 0, delayed: 0, unacknowledged: 0, dead: 0 };
  assertEquals(await broker.getQueueMessageCounts("q"), counts);
});

test("RedisBroker loses no delayed messages when the answers to their sorting and their claim were cut off", async () => {
  await using proxy = await startProxy(server);
  await using fixture = new Fixture(server);
  await using monitor = await Monitor.open(server);
  const clock = new FakeClock();
  const broker = openThrough(proxy, fixture, { ...NO_HEARTBEAT, clock });
  const other = fixture.open({ ...NO_HEARTBEAT, clock });
  await other.enqueueMany(numbers(10).map((n) => work("q", n)), { delay: 10_000 });
  await using consumer = broker.consume("q.DQ", { prefetch: 10 });
  await broker.getQueueMessageCounts("q"); // connects
  let receiving: Promise<unknown[]> | undefined;
  await loseAnswer(
    server,
    proxy,
    () => {
      receiving = receiveCount(consumer, 10).then(firstArgs);
      receiving.catch(() => {}); // It ends with the consumer when the test fails.
    },
    async () => (await fixture.ids("q.DQ")).length === 0,
  );
  assertEquals((await broker.getQueueMessageCounts("q")).delayed, 10);
  await monitor.untilWaiting(fixture.key("q.DQ"));

  const due = clock.now() + 10_000;
  await loseAnswer(
    server,
    proxy,
    () => void clock.advance(10_000),
    async () => {
      const [, score] = await fixture.command(
        ...["ZRANGE", fixture.key("q.DQ.etas"), 0, 0, "WITHSCORES"] as const,
      ) as string[];
      return Number(score) > due + 1_000; // on loan
    },
  );
  let received: unknown[] | undefined;
  receiving!.then((values) => received = values, () => {});
  await eventually("receive them after all", async () => {
    await beat(broker, clock);
    return received !== undefined;
  });
  assertEquals((received as number[]).toSorted((a, b) => a - b), numbers(10));
});

test("RedisBroker acknowledges again what it does not know to be acknowledged", async () => {
  await using proxy = await startProxy(server);
  await using fixture = new Fixture(server);
  const broker = openThrough(proxy, fixture, NO_HEARTBEAT);
  await broker.enqueueMany(numbers(6).map((n) => work("q", n)));
  const consumer = broker.consume("q", { prefetch: 6 });
  const messages = await receiveCount(consumer, 6);
  let settling: Promise<unknown> | undefined;
  await loseAnswer(
    server,
    proxy,
    () =>
      settling = Promise.all([
        consumer.ack(messages.slice(0, 2)),
        consumer.nack(messages.slice(2, 4)),
      ]),
    async () => await fixture.held(broker.brokerId, "q") === 2,
  );
  await settling;
  const counts = { ready: 0, delayed: 0, unacknowledged: 2, dead: 2 };
  assertEquals(await broker.getQueueMessageCounts("q"), counts);
  await consumer.close();
  assertEquals(await fixture.firstArgs("q"), [4, 5]);
});

test("RedisBroker acknowledges again what travelled with a fetch that was cut off", async () => {
  await using proxy = await startProxy(server);
  await using fixture = new Fixture(server);
  const broker = openThrough(proxy, fixture, NO_HEARTBEAT);
  await broker.enqueueMany(numbers(6).map((n) => work("q", n)));
  await using consumer = broker.consume("q", { prefetch: 6 });
  const messages = await receiveCount(consumer, 6);
  const receiving = consumer.receive(6); // it waits for room
  proxy.freeze();
  const acknowledging = consumer.ack(messages); // makes room: the fetch takes them along
  for (let turn = 0; turn < 3; turn++) await nextTurn();
  await proxy.cut();
  proxy.thaw();
  await acknowledging;
  assertEquals(await fixture.held(broker.brokerId, "q"), 0);
  await broker.enqueue(work("q", "next"));
  assertEquals(firstArgs(await receiving), ["next"]);
});

/**
 * Lets a consumer that holds ten messages fetch twice, and loses the replies with 500 messages.
 *
 * @param asked Called when it has asked.
 */
async function loseFetchesAhead(
  proxy: TcpProxy,
  fixture: Fixture,
  asked: (consumer: Consumer) => void = () => {},
) {
  const broker = openThrough(proxy, fixture, NO_HEARTBEAT);
  await broker.enqueueMany(numbers(10).map((n) => work("q", n)));
  const consumer = broker.consume("q", { prefetch: 2_000 });
  const held = await receiveCount(consumer, 10);
  await broker.enqueueMany(numbers(500).map((n) => work("q", 10 + n)));
  await using monitor = await Monitor.open(server);
  let receiving: Promise<MessageProxy[]> | undefined;
  await loseAnswer(
    server,
    proxy,
    () => {
      receiving = consumer.receive(1_990);
      asked(consumer);
    },
    async () => await fixture.held(broker.brokerId, "q") === 510,
  );
  assertEquals(runsOf(FETCH, await monitor.take()).length, 2);
  return { broker, consumer, held, receiving: receiving! };
}

test("RedisConsumer.close gives back what it holds though the fetches ahead were cut off", async () => {
  await using proxy = await startProxy(server);
  await using fixture = new Fixture(server);
  let closing: Promise<void> | undefined;
  const { receiving } = await loseFetchesAhead(proxy, fixture, (consumer) => {
    closing = consumer.close();
  });
  await closing;
  assertEquals(await receiving, []);
  assertEquals(await fixture.firstArgs("q"), numbers(10));
});

test("RedisConsumer goes on when the fetches ahead were cut off", async () => {
  await using proxy = await startProxy(server);
  await using fixture = new Fixture(server);
  const { broker, consumer, held, receiving } = await loseFetchesAhead(proxy, fixture);
  await broker.enqueue(work("q", "next"));
  assertEquals(firstArgs(await receiving), ["next"]);
  await consumer.ack(held);
  assertEquals(await fixture.held(broker.brokerId, "q"), 501);
  await consumer.close();
});

test("RedisBroker promotes once when the answer to a promotion was cut off", async () => {
  await using proxy = await startProxy(server);
  await using fixture = new Fixture(server);
  const clock = new FakeClock();
  const broker = openThrough(proxy, fixture, { ...NO_HEARTBEAT, clock });
  await broker.enqueue(work("q", "late"), { delay: 1 });
  await clock.advance(1);
  const consumer = broker.consume("q.DQ");
  const [due] = await receiveCount(consumer, 1);
  let promoting: Promise<void> | undefined;
  await loseAnswer(
    server,
    proxy,
    () => promoting = broker.enqueueDue(due!),
    async () => (await fixture.ids("q")).length === 1,
  );
  await promoting;
  await consumer.ack([due!]);
  assertEquals(await fixture.firstArgs("q"), ["late"]);
  const counts = { ready: 1, delayed: 0, unacknowledged: 0, dead: 0 };
  assertEquals(await broker.getQueueMessageCounts("q"), counts);
  assert(!consumer.isLost);
});

test("RedisBroker hears answers that came while the event loop stood still for long", async () => {
  await using fixture = new Fixture(server);
  const broker = fixture.open();
  await broker.enqueue(work("q", 0));
  const sent = broker.enqueue(work("q", 1));
  await nextTurn();
  await nextTurn();
  const blockedUntil = performance.now() + 5_300; // after 5,000 a call is given up
  while (performance.now() < blockedUntil);
  await sent;
  assertEquals(await fixture.firstArgs("q"), [0, 1]);
});
