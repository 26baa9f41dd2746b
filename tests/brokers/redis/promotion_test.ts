import { assertEquals } from "@std/assert";
import { deadline } from "@std/async";
import { firstArgs, receiveCount, receiveOne, work } from "../../conformance/broker_messages.ts";
import { FakeClock } from "../../support/fake_clock.ts";
import { startRedis } from "../../support/servers/redis.ts";
import { after, test } from "../../support/test.ts";
import { advanceUntil, LONG_LEASE, openOne, promoteAll, untilSorted } from "./promoting.ts";
import { beat, eventually, Fixture } from "./fixture.ts";

const server = await startRedis();
after(() => server.stop());

const MINUTE = 60_000;
const HOUR = 3_600_000;
/** Longer than a message that was claimed is left to whoever did. */
const LOAN = 6_000;

const numbers = (count: number) => Array.from({ length: count }, (_, i) => i);

test("RedisBroker promotes a message once, however many brokers compete for it", async () => {
  await using fixture = new Fixture(server);
  const clock = new FakeClock();
  const brokers = numbers(10).map(() => fixture.open({ clock, ...LONG_LEASE }));
  await brokers[0]!.enqueueMany(numbers(1_000).map((n) => work("q", n)), { delay: MINUTE });
  const consumers = brokers.map((broker) => broker.consume("q.DQ", { prefetch: 50 }));
  const promoting = consumers.map((consumer, i) => promoteAll(brokers[i]!, consumer));
  await untilSorted(fixture, 1_000);
  assertEquals(await fixture.ids("q"), []);

  await eventually("promote all", async () => {
    await clock.advance(MINUTE);
    await Promise.all(brokers.map((broker) => broker.getQueueMessageCounts("q")));
    return await fixture.command("HLEN", fixture.key("q.DQ.msgs")) === 0;
  });
  await Promise.all(consumers.map((consumer) => consumer.close()));
  await Promise.all(promoting);

  const values = await fixture.firstArgs("q") as number[];
  assertEquals(values.toSorted((a, b) => a - b), numbers(1_000));
  assertEquals(new Set(await fixture.ids("q")).size, 1_000);
  assertEquals(await fixture.command("HLEN", fixture.key("q.msgs")), 1_000);
});

test("RedisBroker gives what was claimed and not promoted to others, and ignores who is late", async () => {
  const { clock, fixture, broker: other } = openOne(server);
  await using _fixture = fixture;
  const late = fixture.open({ clock, ...LONG_LEASE });
  await late.enqueueMany(numbers(5).map((n) => work("q", n)), { delay: MINUTE });
  const lateConsumer = late.consume("q.DQ", { prefetch: 5 });
  const receiving = receiveCount(lateConsumer, 5);
  await untilSorted(fixture, 5);
  const claimed = await advanceUntil(clock, MINUTE, receiving);

  const consumer = other.consume("q.DQ", { prefetch: 5 });
  const again = receiveCount(consumer, 5);
  await beat(other, clock);
  assertEquals(await fixture.ids("q"), []);
  const lent = await advanceUntil(clock, LOAN, again);
  assertEquals(firstArgs(lent).toSorted(), numbers(5));
  await Promise.all(lent.map((message) => other.enqueueDue(message)));
  await consumer.ack(lent);
  const ids = await fixture.ids("q");
  assertEquals(ids.length, 5);

  await Promise.all(claimed.map((message) => late.enqueueDue(message)));
  await lateConsumer.ack(claimed);
  assertEquals(await fixture.ids("q"), ids);
  assertEquals(await fixture.command("HLEN", fixture.key("q.msgs")), 5);
  await lateConsumer.close();
  assertEquals(await fixture.ids("q"), ids);
  assertEquals((await other.getQueueMessageCounts("q")).delayed, 0);
});

test("RedisBroker leaves a delayed message for others at once when its consumer closes", async () => {
  const { clock, fixture, broker: other } = openOne(server);
  await using _fixture = fixture;
  const broker = fixture.open({ clock, ...LONG_LEASE });
  await broker.enqueue(work("q", "text"), { delay: MINUTE });
  const consumer = broker.consume("q.DQ");
  const receiving = receiveOne(consumer);
  await untilSorted(fixture, 1);
  assertEquals((await advanceUntil(clock, MINUTE, receiving)).args, ["text"]);
  const next = receiveOne(other.consume("q.DQ"));
  await beat(other, clock); // It serves the queue, and waits for the end of the loan.
  await consumer.close();
  await beat(other, clock);
  assertEquals((await deadline(next, 10_000)).args, ["text"]);
});

test("RedisBroker keeps a delayed message that no worker promotes", async () => {
  const { clock, fixture, broker } = openOne(server);
  await using _fixture = fixture;
  await broker.enqueue(work("q", "text"), { delay: MINUTE });
  const consumer = broker.consume("q.DQ", { prefetch: 10 });
  for (let round = 0; round < 3; round++) {
    let isReceived = false;
    const receiving = consumer.receive(1).finally(() => isReceived = true);
    await eventually("come again", async () => {
      await beat(broker, clock);
      return isReceived || clock.now() > 1_600_000_000_000 + HOUR;
    });
    assertEquals(firstArgs(await receiving), ["text"]);
    assertEquals((await broker.getQueueMessageCounts("q")).delayed, 1);
  }
});

test("RedisBroker lets no far-future backlog hold up a nearer message", async () => {
  const { clock, fixture, broker } = openOne(server);
  await using _fixture = fixture;
  await broker.enqueueMany(numbers(3_000).map((n) => work("q", n)), { delay: HOUR });
  const consumer = broker.consume("q.DQ", { prefetch: 10 });
  const receiving = receiveOne(consumer);
  await untilSorted(fixture, 3_000);
  await broker.enqueue(work("q", "near"), { delay: MINUTE });
  await untilSorted(fixture, 3_001);
  assertEquals((await advanceUntil(clock, MINUTE, receiving)).args, ["near"]);
});

test("RedisBroker lets no backlog in front of it hold up a nearer message, sent before any worker", async () => {
  const { clock, fixture, broker } = openOne(server);
  await using _fixture = fixture;
  await broker.enqueueMany(numbers(3_000).map((n) => work("q", n)), { delay: HOUR });
  await broker.enqueue(work("q", "near"), { delay: 1 });
  await clock.advance(1);
  assertEquals((await receiveOne(broker.consume("q.DQ", { prefetch: 10 }))).args, ["near"]);
});

test("RedisBroker sorts each of a large backlog, from whichever end it takes it", async () => {
  const { clock, fixture, broker } = openOne(server);
  await using _fixture = fixture;
  await broker.enqueueMany(numbers(12_000).map((n) => work("q", n)), { delay: HOUR });
  await broker.enqueue(work("q", "near"), { delay: 1 });
  await clock.advance(1);
  const consumer = broker.consume("q.DQ", { prefetch: 10 });
  assertEquals((await receiveOne(consumer)).args, ["near"]);
  const receiving = consumer.receive(1);
  await untilSorted(fixture, 12_001);
  assertEquals(await fixture.ids("q.DQ"), []);
  await consumer.close();
  assertEquals(await receiving, []);
});

test("RedisBroker keeps the order of delayed messages of the same millisecond, sent at once", async () => {
  const { clock, fixture, broker } = openOne(server);
  await using _fixture = fixture;
  await broker.enqueueMany(numbers(1_700).map((n) => work("q", n)), { delay: MINUTE });
  const consumer = broker.consume("q.DQ", { prefetch: 2_000 });
  const receiving = receiveCount(consumer, 1_700);
  await untilSorted(fixture, 1_700);
  assertEquals(firstArgs(await advanceUntil(clock, MINUTE, receiving)), numbers(1_700));
});

test("RedisBroker keeps the order of delayed messages of the same millisecond, sent one by one", async () => {
  const { clock, fixture, broker } = openOne(server);
  await using _fixture = fixture;
  const consumer = broker.consume("q.DQ", { prefetch: 100 });
  const receiving = receiveCount(consumer, 20);
  for (const n of numbers(20)) {
    await broker.enqueue(work("q", n), { delay: MINUTE });
    await untilSorted(fixture, n + 1);
  }
  assertEquals(firstArgs(await advanceUntil(clock, MINUTE, receiving)), numbers(20));
});
