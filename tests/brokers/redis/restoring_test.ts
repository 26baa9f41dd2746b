import { assertEquals } from "@std/assert";
import { actor, type RedisBroker, Worker } from "@dq/dramatiq";
import { receiveCount, work } from "../../conformance/broker_messages.ts";
import { FakeClock } from "../../support/fake_clock.ts";
import { startProxy } from "../../support/servers/proxy.ts";
import { startRedis } from "../../support/servers/redis.ts";
import { after, test } from "../../support/test.ts";
import { untilSorted } from "./promoting.ts";
import { put, type PythonMessage, pythonMessage, sendFromPython } from "./python.ts";
import { beat, eventually, Fixture } from "./fixture.ts";

const server = await startRedis();
after(() => server.stop());

const MINUTE = 60_000;
const NO_HEARTBEAT = { maintenanceInterval: Infinity };
/** Milliseconds after its last heartbeat from which on a worker does not count as serving. */
const SILENCE = 3_001;

const numbers = (count: number) => Array.from({ length: count }, (_, i) => i);

/** Delayed messages as Python sends them, in no order of their etas. */
async function delayFromPython(fixture: Fixture, now: number): Promise<PythonMessage[]> {
  const messages = [3, 1, 6, 2, 5, 4].map((minutes) =>
    pythonMessage("q.DQ", minutes, now + minutes * MINUTE)
  );
  for (const message of messages) await put(fixture, "q.DQ", message);
  return messages;
}

/** Texts that Python finds on the delay queue, in order. */
async function textsOnDelayQueue(fixture: Fixture): Promise<string[]> {
  const ids = await fixture.ids("q.DQ");
  if (ids.length === 0) return [];
  return await fixture.command("HMGET", fixture.key("q.DQ.msgs"), ...ids) as string[];
}

const byEta = (messages: readonly PythonMessage[]) =>
  messages.map(({ text }) => text)
    .toSorted((a, b) => JSON.parse(a).options.eta - JSON.parse(b).options.eta);

const sortedCount = (fixture: Fixture) => fixture.command("ZCARD", fixture.key("q.DQ.etas"));

/** Opens a consumer of the delay queue and leaves it waiting. */
function sort(broker: RedisBroker) {
  const consumer = broker.consume("q.DQ", { prefetch: 10 });
  consumer.receive(1).catch(() => {});
  return consumer;
}

/** A worker of this library that was killed: its entry stays, and its heartbeat for a while. */
async function leaveKilled(fixture: Fixture, clock: FakeClock, queueName = "q"): Promise<string> {
  const id = crypto.randomUUID();
  await fixture.command("ZADD", fixture.key("__delays__"), 0, `${queueName}/${id}`);
  await fixture.command("ZADD", fixture.key("__heartbeats__"), clock.now(), id);
  return id;
}

/** Sorts messages and leaves them behind, as after a kill. */
async function leaveSorted(fixture: Fixture, clock: FakeClock): Promise<PythonMessage[]> {
  const messages = await delayFromPython(fixture, clock.now());
  await fixture.command("DEL", fixture.key("q.DQ"));
  for (const { id, text } of messages) {
    await fixture.command("ZADD", fixture.key("q.DQ.etas"), JSON.parse(text).options.eta, id);
  }
  return messages;
}

test("RedisBroker's last worker that stops restores delayed messages for Python, in order of eta", async () => {
  await using fixture = new Fixture(server);
  const broker = fixture.open();
  actor(() => {}, { broker, queueName: "q", actorName: "work" });
  const messages = await delayFromPython(fixture, Date.now());
  const worker = new Worker(broker);
  await worker.start();
  await untilSorted(fixture, 6);
  await worker.stop();

  assertEquals(await textsOnDelayQueue(fixture), byEta(messages));
  assertEquals(await sortedCount(fixture), 0);
  const { delayed } = await broker.getQueueMessageCounts("q");
  assertEquals(delayed, 6);
  await broker.close();
  assertEquals((await fixture.keys()).toSorted(), [fixture.key("q.DQ"), fixture.key("q.DQ.msgs")]);
});

test("RedisBroker's worker that stops leaves delayed messages to another worker of this library", async () => {
  await using fixture = new Fixture(server);
  const clock = new FakeClock();
  const [one, two] = [fixture.open({ clock }), fixture.open({ clock })];
  const messages = await delayFromPython(fixture, clock.now());
  const consumers = [sort(one), sort(two)];
  await eventually("sort", async () => {
    return await sortedCount(fixture) === 6 &&
      await fixture.command("ZCARD", fixture.key("__delays__")) === 2;
  });
  await consumers[0]!.close();
  assertEquals(await fixture.ids("q.DQ"), []);
  assertEquals(await sortedCount(fixture), 6);
  await consumers[1]!.close();
  assertEquals(await textsOnDelayQueue(fixture), byEta(messages));
});

test("RedisBroker restores delayed messages when the last of its own consumers closes", async () => {
  await using fixture = new Fixture(server);
  const clock = new FakeClock();
  const broker = fixture.open({ clock });
  await delayFromPython(fixture, clock.now());
  const one = sort(broker);
  await untilSorted(fixture, 6);
  const two = sort(broker);
  await sendFromPython(fixture, "q.DQ", ["more"], clock.now() + MINUTE);
  await untilSorted(fixture, 7);
  await one.close();
  assertEquals([await sortedCount(fixture), (await fixture.ids("q.DQ")).length], [7, 0]);
  await two.close();
  assertEquals([await sortedCount(fixture), (await fixture.ids("q.DQ")).length], [0, 7]);
});

test("RedisBroker's worker that stops restores what one had sorted that was killed", async () => {
  await using fixture = new Fixture(server);
  const clock = new FakeClock();
  const messages = await leaveSorted(fixture, clock);
  await leaveKilled(fixture, clock);
  await clock.advance(SILENCE);
  const broker = fixture.open({ clock, ...NO_HEARTBEAT });
  await broker.connect();
  await sort(broker).close();
  assertEquals(await textsOnDelayQueue(fixture), byEta(messages));
});

test("RedisBroker's worker on another queue restores what a dead one had sorted", async () => {
  await using fixture = new Fixture(server);
  const clock = new FakeClock();
  const messages = await leaveSorted(fixture, clock);
  await leaveKilled(fixture, clock);
  const broker = fixture.open({ clock, ...NO_HEARTBEAT });
  await clock.advance(MINUTE - 1);
  await broker.maintain();
  assertEquals(await sortedCount(fixture), 6);
  await clock.advance(1);
  await broker.maintain();
  assertEquals(await textsOnDelayQueue(fixture), byEta(messages));
  await broker.close();
  assertEquals(await fixture.command("EXISTS", fixture.key("__delays__")), 0);
});

/**
 * Maintenance of Python takes the heartbeat of a dead worker away, and nothing else that it leaves.
 * Source: scenario `maintenance-dead-worker` in `tests/vectors/redis_broker.json`.
 */
async function forgetLikePython(fixture: Fixture, brokerId: string): Promise<void> {
  await fixture.command("ZREM", fixture.key("__heartbeats__"), brokerId);
}

test("RedisBroker's worker on another queue restores what one had sorted that Python found dead", async () => {
  await using fixture = new Fixture(server);
  const clock = new FakeClock();
  const messages = await leaveSorted(fixture, clock);
  const killed = await leaveKilled(fixture, clock);
  await fixture.command("HSET", fixture.key("__workers__"), killed, "{}");
  const broker = fixture.open({ clock, ...NO_HEARTBEAT });
  await clock.advance(MINUTE);
  await forgetLikePython(fixture, killed);
  await broker.maintain();
  assertEquals(await textsOnDelayQueue(fixture), byEta(messages));
  assertEquals(await fixture.command("EXISTS", fixture.key("__delays__")), 0);
  assertEquals(await fixture.command("EXISTS", fixture.key("__workers__")), 0);
});

test("RedisBroker's recovery leaves to a live worker what it had sorted, though Python found another dead", async () => {
  await using fixture = new Fixture(server);
  const clock = new FakeClock();
  await leaveSorted(fixture, clock);
  const killed = await leaveKilled(fixture, clock);
  await forgetLikePython(fixture, killed);
  const live = await leaveKilled(fixture, clock);
  await fixture.command("HSET", fixture.key("__workers__"), live, "{}");
  await fixture.open({ clock, ...NO_HEARTBEAT }).maintain();
  assertEquals([await sortedCount(fixture), await fixture.ids("q.DQ")], [6, []]);
  const entries = await fixture.command("ZRANGE", fixture.key("__delays__"), 0, -1);
  assertEquals(entries, [`q/${live}`]);
  assertEquals(await fixture.command("HKEYS", fixture.key("__workers__")), [live]);
});

test("RedisBroker runs what one had sorted that was killed", async () => {
  await using fixture = new Fixture(server);
  const clock = new FakeClock();
  await leaveSorted(fixture, clock);
  await clock.advance(6 * MINUTE);
  const broker = fixture.open({ clock, ...NO_HEARTBEAT });
  const due = await receiveCount(broker.consume("q.DQ", { prefetch: 10 }), 6);
  assertEquals(due.map(({ args }) => args[0]), [1, 2, 3, 4, 5, 6]);
});

test("RedisBroker.restoreDelayed restores nothing while a worker serves the queue, then all", async () => {
  await using fixture = new Fixture(server);
  const clock = new FakeClock();
  const messages = await leaveSorted(fixture, clock);
  await leaveKilled(fixture, clock);
  await leaveKilled(fixture, clock, "q.too");
  const broker = fixture.open({ clock, ...NO_HEARTBEAT });
  assertEquals(await broker.restoreDelayed("q"), { restored: 0, workers: 1 });
  assertEquals(await sortedCount(fixture), 6);
  await clock.advance(SILENCE);
  assertEquals(await broker.restoreDelayed("q"), { restored: 6, workers: 0 });
  assertEquals(await broker.restoreDelayed("q"), { restored: 0, workers: 0 });
  assertEquals(await textsOnDelayQueue(fixture), byEta(messages));
});

test("RedisBroker restores any number of delayed messages in order, and drops ids without one", async () => {
  await using fixture = new Fixture(server);
  const clock = new FakeClock();
  const broker = fixture.open({ clock, ...NO_HEARTBEAT });
  await broker.enqueueMany(numbers(2_500).map((n) => work("q", n)), { delay: MINUTE });
  const consumer = sort(broker);
  await untilSorted(fixture, 2_500);
  await fixture.command("ZADD", fixture.key("q.DQ.etas"), 1, "hole");
  await consumer.close();
  const texts = await textsOnDelayQueue(fixture);
  assertEquals(texts.map((text) => JSON.parse(text).args[0]), numbers(2_500));
});

test("RedisBroker.close restores what a consumer that failed had sorted", async () => {
  await using fixture = new Fixture(server);
  const clock = new FakeClock();
  const broker = fixture.open({ clock });
  const messages = await delayFromPython(fixture, clock.now());
  const consumer = broker.consume("q.DQ", { prefetch: 10 });
  const receiving = consumer.receive(1);
  let isFailed = false;
  receiving.catch(() => isFailed = true);
  await untilSorted(fixture, 6);
  await beat(broker, clock);
  // A heartbeat whose lease is over by the time that it is answered is simply renewed, and the timer
  // of the next one starts then, whenever that is.
  await eventually("fail the consumer", async () => {
    await fixture.command("ZREM", fixture.key("__heartbeats__"), broker.brokerId); // taken over
    await clock.advance(1_000);
    return isFailed;
  });
  await consumer.close();
  assertEquals(await sortedCount(fixture), 6);
  await clock.advance(SILENCE);
  await broker.close();
  assertEquals(await textsOnDelayQueue(fixture), byEta(messages));
});

test("RedisBroker closes though Redis is away, and leaves delayed messages to the next worker", async () => {
  await using proxy = await startProxy(server);
  await using fixture = new Fixture(server);
  const clock = new FakeClock();
  const broker = fixture.open({ clock, url: `redis://${proxy.host}:${proxy.port}` });
  const messages = await delayFromPython(fixture, clock.now());
  const consumer = sort(broker);
  await untilSorted(fixture, 6);
  proxy.refuse();
  await proxy.cut();
  await consumer.close();
  await broker.close();
  assertEquals(await sortedCount(fixture), 6);
  await clock.advance(SILENCE);
  const next = fixture.open({ clock, ...NO_HEARTBEAT });
  await next.connect();
  await sort(next).close();
  assertEquals(await textsOnDelayQueue(fixture), byEta(messages));
});
