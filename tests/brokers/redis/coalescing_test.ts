import { assert, assertEquals, assertLess, assertLessOrEqual } from "@std/assert";
import { actor, Message, Worker } from "@dq/dramatiq";
import { CLAIM, PROMOTE, SORT } from "../../../brokers/redis/delayed_scripts.ts";
import { ACK, ENQUEUE, FETCH, NACK } from "../../../brokers/redis/scripts.ts";
import { nextTurn } from "../../../platform/runtime.ts";
import { receiveCount, work } from "../../conformance/broker_messages.ts";
import { withEnvironment } from "../../support/environment.ts";
import { Monitor, runsOf } from "./monitor.ts";
import { Fixture, startForFile } from "./fixture.ts";

const { test, server } = await startForFile();

const numbers = (count: number) => Array.from({ length: count }, (_, i) => i);

test("RedisBroker sends the first message of a turn at once and the others in one call, in order", async () => {
  await using fixture = new Fixture(server);
  await using monitor = await Monitor.open(server);
  const broker = fixture.open();
  const note = actor((_n: number) => {}, { broker, queueName: "q", actorName: "note" });
  await Promise.all(numbers(250).map((n) => note.send(n)));
  const commands = await monitor.take();
  assertEquals(runsOf(ENQUEUE, commands).length, 2);
  assertEquals(await fixture.firstArgs("q"), numbers(250));
});

test("RedisBroker splits what is too much for one call, and keeps its order", async () => {
  await using fixture = new Fixture(server);
  await using monitor = await Monitor.open(server);
  const broker = fixture.open();
  const note = actor((_n: number) => {}, { broker, queueName: "q", actorName: "note" });
  await Promise.all([
    ...numbers(1_500).map((n) => note.send(n)),
    note.sendMany(numbers(2_500).map((n) => [1_500 + n])),
    ...numbers(500).map((n) => note.send(4_000 + n)),
  ]);
  const runs = runsOf(ENQUEUE, await monitor.take());
  assertEquals(runs.length, 19); // the first one, then of 250 at most
  assertEquals(await fixture.firstArgs("q"), numbers(4_500));
});

test("RedisBroker splits what is too long for one call, and keeps its order", async () => {
  await using fixture = new Fixture(server);
  const broker = fixture.open();
  await broker.enqueue(work("q", 0));
  await server.command("CONFIG", "RESETSTAT");
  const text = "x".repeat(300_000);
  const sent = await Promise.all(numbers(60).map((n) => broker.enqueue(work("q", n, text))));
  // The first goes at once, then a call goes when it has 8 MiB or more: after 28.
  const [, calls] = /cmdstat_evalsha:calls=(\d+)/.exec(
    String(await server.command("INFO", "commandstats")),
  )!;
  assertEquals(calls, "4");
  const ids = sent.map((message) => message.option("redis_message_id"));
  assertEquals((await fixture.ids("q")).slice(1), ids);
});

test("RedisBroker sends to each of several queues in calls of its own, and keeps the order of each", async () => {
  await using fixture = new Fixture(server);
  await using monitor = await Monitor.open(server);
  const broker = fixture.open();
  const [one, two] = ["one", "two"].map((queueName) =>
    actor((_n: number) => {}, { broker, queueName, actorName: queueName })
  );
  await Promise.all([
    ...numbers(100).flatMap((n) => [one!.send(n), two!.send(n)]),
    broker.enqueueMany(numbers(100).map((n) => work(n % 2 === 0 ? "one" : "two", 100 + n))),
    one!.sendWithOptions({ args: [1], delay: 60_000 }),
  ]);
  // The first message of each at once, then the others.
  assertEquals(runsOf(ENQUEUE, await monitor.take()).length, 5);
  const later = numbers(100).map((n) => 100 + n);
  assertEquals(await fixture.firstArgs("one"), [
    ...numbers(100),
    ...later.filter((n) => n % 2 === 0),
  ]);
  assertEquals(await fixture.firstArgs("two"), [
    ...numbers(100),
    ...later.filter((n) => n % 2 === 1),
  ]);
  assertEquals(await fixture.firstArgs("one.DQ"), [1]);
});

test("RedisBroker sends nothing of what cannot be encoded, and all that is sent beside it", async () => {
  await using fixture = new Fixture(server);
  const broker = fixture.open();
  const note = actor((_value: unknown) => {}, { broker, queueName: "q", actorName: "note" });
  const outcomes = await Promise.allSettled([
    note.send(1),
    note.send(2n),
    note.sendMany([[3], [4n], [5]]),
    broker.enqueueMany([work("q", 6), work("other", 7n)]),
    note.send(8),
  ]);
  assertEquals(
    outcomes.map((outcome) => outcome.status === "rejected" && outcome.reason instanceof TypeError),
    [false, true, true, true, false],
  );
  assertEquals(await fixture.firstArgs("q"), [1, 8]);
  assertEquals(await fixture.ids("other"), []);
});

test("RedisBroker settles what is settled in one turn in one call for each way", async () => {
  await using fixture = new Fixture(server);
  const broker = fixture.open({ maintenanceInterval: Infinity });
  await broker.enqueueMany(numbers(1_250).map((n) => work("q", n)));
  await using consumer = broker.consume("q", { prefetch: 1_250 });
  const messages = await receiveCount(consumer, 1_250);
  await using monitor = await Monitor.open(server);
  await Promise.all(messages.slice(0, 1_000).map((message) => consumer.ack([message])));
  await Promise.all(messages.slice(1_000).map((message) => consumer.nack([message])));
  const commands = await monitor.take();
  assertEquals([runsOf(ACK, commands).length, runsOf(NACK, commands).length], [1, 1]);
  const { unacknowledged, dead } = await broker.getQueueMessageCounts("q");
  assertEquals([unacknowledged, dead], [0, 250]);
});

test("RedisBroker fills the prefetch in one call", async () => {
  await using fixture = new Fixture(server);
  const broker = fixture.open({ maintenanceInterval: Infinity });
  await broker.enqueueMany(numbers(1_200).map((n) => work("q", n)));
  await using monitor = await Monitor.open(server);
  await using consumer = broker.consume("q", { prefetch: 700 });
  assertEquals((await consumer.receive(1_000)).length, 700);
  assertEquals(runsOf(FETCH, await monitor.take()).length, 1);
});

test("RedisBroker makes no call per message for a worker", async () => {
  await using fixture = new Fixture(server);
  const broker = fixture.open();
  let runs = 0;
  const done = Promise.withResolvers<void>();
  const note = actor(() => {
    if (++runs === 2_000) done.resolve();
  }, { broker, queueName: "q", actorName: "note" });
  await note.sendMany(numbers(2_000).map(() => []));
  await withEnvironment({ dramatiq_queue_prefetch: "200" }, async () => {
    await using monitor = await Monitor.open(server);
    await using worker = new Worker(broker);
    await worker.start();
    await done.promise;
    await worker.stop();
    const commands = await monitor.take();
    assertLess(runsOf(FETCH, commands).length, 100);
    assertLess(runsOf(ACK, commands).length, 200);
  });
  assertEquals(await fixture.ids("q"), []);
});

test("RedisBroker sorts and promotes delayed messages many at a time", async () => {
  await using fixture = new Fixture(server);
  const broker = fixture.open();
  let runs = 0;
  const note = actor(() => void (runs += 1), { broker, queueName: "q", actorName: "note" });
  await broker.enqueueMany(numbers(2_000).map(() => note.message()), { delay: 1 });
  await using monitor = await Monitor.open(server);
  await using worker = new Worker(broker);
  await worker.start();
  await broker.join("q");
  assertEquals(runs, 2_000);
  const commands = await monitor.take();
  for (const script of [SORT, CLAIM, PROMOTE]) {
    const { length } = runsOf(script, commands);
    assert(length > 0);
    assertLessOrEqual(length, 50, script.purpose);
  }
});

test("RedisBroker keeps the order of what is sent together and of what is sent one by one", async () => {
  await using fixture = new Fixture(server);
  const broker = fixture.open();
  const sendings: Promise<unknown>[] = [];
  for (const n of numbers(300)) {
    const message = new Message({ queueName: "q", actorName: "work", args: [n] });
    sendings.push(n % 3 === 0 ? broker.enqueueMany([message]) : broker.enqueue(message));
    if (n % 50 === 0) await sendings.at(-1);
    else if (n % 20 === 0) await nextTurn();
  }
  await Promise.all(sendings);
  assertEquals(await fixture.firstArgs("q"), numbers(300));
});
