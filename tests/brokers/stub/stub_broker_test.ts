import { assertEquals, assertRejects, assertThrows } from "@std/assert";
import {
  actor,
  type Broker,
  ConnectionClosed,
  DecodeError,
  Message,
  QueueJoinTimeout,
  QueueNotFound,
  StubBroker,
  UndecodableMessage,
  Worker,
} from "@dq/dramatiq";
import { nextTurn } from "../../../platform/runtime.ts";
import { brokerConformance, type BrokerHarness } from "../../conformance/broker.ts";
import { receiveOne, work } from "../../conformance/broker_messages.ts";
import { FakeClock } from "../../support/fake_clock.ts";
import { SkippingClock } from "../../support/skipping_clock.ts";
import { test } from "../../support/test.ts";

const HOUR = 3_600_000;
const NO_CONNECTION = "it has no connection to a server";
const LOST_ON_CLOSE = "its messages live and die with the broker object";

const harness: BrokerHarness = {
  // Reference: StubBroker
  name: "StubBroker",
  undeclaredQueues: "refused",
  create: ({ middleware }) =>
    new StubBroker({
      clock: new SkippingClock(),
      failFast: false,
      ...(middleware && { middleware }),
    }),
  deadLetters(broker, queueName) {
    const dead = (broker as StubBroker).deadLettersByQueue.get(queueName) ?? [];
    return Promise.resolve(dead.map((message) => message.deadLetter));
  },
  async putRaw(broker, queueName, data) {
    await broker.enqueue(new UndecodableMessage(queueName, new DecodeError("", data)));
  },
  async countIdleCalls(broker) {
    const clock = broker.clock as SkippingClock;
    const before = clock.timersSet;
    for (let turn = 0; turn < 20; turn++) await nextTurn();
    return clock.timersSet - before;
  },
  skips: {
    receiveWokenByOtherBroker: LOST_ON_CLOSE,
    closeKeepsMessages: LOST_ON_CLOSE,
    closeKeepsSends: LOST_ON_CLOSE,
    workShared: LOST_ON_CLOSE,
    consumerRestarts: NO_CONNECTION,
    deliveryUnreachable: NO_CONNECTION,
    sendingBounded: NO_CONNECTION,
    deliveryUnanswered: NO_CONNECTION,
    deliveryCutOff: NO_CONNECTION,
    workLeavesNothing: "its storage cannot be looked into; join tells when it is empty",
  },
};

brokerConformance(harness);

test("brokerConformance refuses skips of rules that do not exist", () => {
  const skips = { ...harness.skips, receiveInOrdre: "a slip of the pen" };
  assertThrows(() => brokerConformance({ ...harness, skips }), TypeError, "receiveInOrdre");
});

test("brokerConformance refuses a harness that lacks an ability and gives no reason", () => {
  const { putRaw: _putRaw, ...others } = harness;
  assertThrows(() => brokerConformance(others), TypeError, "putRaw");
});

/** Counts calls, which a poller would make again and again. */
class CountingClock extends FakeClock {
  timersSet = 0;

  override setTimer(callback: () => void, ms: number): unknown {
    this.timersSet += 1;
    return super.setTimer(callback, ms);
  }
}

test("StubBroker is closed for good: consumers, join and send say so", async () => {
  const broker = new StubBroker();
  const x = actor(function x() {}, { broker });
  await x.send();
  const joining = assertRejects(() => broker.join("default"), ConnectionClosed, "join queue");
  await broker.close();
  await joining;
  await assertRejects(() => broker.join("default"), ConnectionClosed, "the broker is closed");
  assertThrows(() => broker.consume("default"), ConnectionClosed, 'Cannot consume "default"');
  await assertRejects(() => x.send(), ConnectionClosed, "Cannot enqueue");
});

test("StubBroker refuses a prefetch or a time to wait that makes no sense", async () => {
  const broker = new StubBroker();
  broker.declareQueue("q");
  for (const prefetch of [0, -1, 1.5, NaN]) {
    assertThrows(
      () => broker.consume("q", { prefetch }),
      RangeError,
      `Cannot prefetch ${prefetch}`,
    );
  }
  for (const timeout of [-1, NaN]) {
    await assertRejects(
      () => broker.join("q", { timeout }),
      RangeError,
      `Cannot wait ${timeout} ms`,
    );
  }
});

// Reference: StubBroker.dead_letters, StubBroker.dead_letters_by_queue
test("StubBroker.deadLettersByQueue groups by queue what allDeadLetters has in order", async () => {
  const broker = new StubBroker();
  for (const queueName of ["a", "b", "a"]) {
    broker.declareQueue(queueName);
    const { messageId } = await broker.enqueue(work(queueName));
    await using consumer = broker.consume(queueName);
    const message = await receiveOne(consumer);
    assertEquals(message.messageId, messageId);
    await consumer.nack([message]);
  }
  const bad = new DecodeError("", "bad");
  await broker.enqueue(new UndecodableMessage("b.DQ", bad));
  await using delayed = broker.consume("b.DQ");
  await delayed.nack([await receiveOne(delayed)]);
  assertEquals(broker.allDeadLetters.map((one) => one.queueName), ["a", "b", "a", "b.DQ"]);
  const counts = Array.from(broker.deadLettersByQueue, ([name, { length }]) => [name, length]);
  assertEquals(counts, [["a", 2], ["b", 2]]);
});

test("StubBroker keeps encoded messages: later changes to the arguments do not show", async () => {
  const broker = new StubBroker();
  broker.declareQueue("default");
  const list = [1];
  await broker.enqueue(new Message({ queueName: "default", actorName: "work", args: [list] }));
  list.push(2);
  await using consumer = broker.consume("default");
  assertEquals((await receiveOne(consumer)).args, [[1]]);
});

// Reference: QueueNotFound
test("StubBroker refuses queues that are not declared before any hook hears of them", async () => {
  const heard: string[] = [];
  const broker = new StubBroker({
    middleware: [{ beforeEnqueue: (_broker, message) => void heard.push(message.queueName) }],
  });
  broker.declareQueue("known");
  const calls: Record<string, (broker: Broker) => unknown> = {
    enqueue: () => broker.enqueue(work("unknown")),
    delayed: () => broker.enqueue(work("unknown"), { delay: 1 }),
    enqueueMany: () => broker.enqueueMany([work("known"), work("unknown")]),
    flush: () => broker.flush("unknown"),
    join: () => broker.join("unknown"),
    consume: () => broker.consume("unknown"),
  };
  for (const call of Object.values(calls)) {
    await assertRejects(async () => await call(broker), QueueNotFound, '"unknown"');
  }
  assertEquals(heard, []);
  await broker.join("known");
});

test("StubBroker waits without timers while nothing is delayed", async () => {
  const clock = new CountingClock();
  const broker = new StubBroker({ clock, middleware: [] });
  const ran: number[] = [];
  const note = actor((n: number) => void ran.push(n), { broker, actorName: "note" });
  const worker = new Worker(broker);
  await worker.start();
  await clock.advance(HOUR);
  const joining = broker.join("default");
  await note.send(1);
  await joining;
  await clock.advance(HOUR);
  assertEquals(ran, [1]);
  assertEquals(clock.timersSet, 0);
  await worker.stop();
  assertEquals(clock.pendingTimers, 0);
});

test("StubBroker sets one timer for the nearest eta, and only while a consumer waits", async () => {
  const clock = new CountingClock();
  const broker = new StubBroker({ clock });
  broker.declareQueue("q");
  const delays = [3_000, 1_000, 2_000];
  for (const delay of delays) await broker.enqueue(work("q", delay), { delay });
  assertEquals(clock.pendingTimers, 0);

  await using consumer = broker.consume("q.DQ", { prefetch: 3 });
  const first = consumer.receive(3);
  await clock.advance(999);
  assertEquals(clock.pendingTimers, 1);
  await clock.advance(1);
  assertEquals((await first).map((message) => message.args[0]), [1_000]);
  assertEquals(clock.pendingTimers, 0);

  const aborter = new AbortController();
  const second = consumer.receive(3, { signal: aborter.signal });
  assertEquals(clock.pendingTimers, 1);
  aborter.abort();
  assertEquals(await second, []);
  await clock.settle();
  assertEquals(clock.pendingTimers, 0);

  await clock.advance(10_000);
  const others = await consumer.receive(3);
  assertEquals(others.map((message) => message.args[0]), [2_000, 3_000]);
  assertEquals(clock.timersSet, 2);
});

// Reference: QueueJoinTimeout
test("StubBroker.join sets one timer for its timeout, and takes it back", async () => {
  const clock = new CountingClock();
  const broker = new StubBroker({ clock });
  broker.declareQueue("q");
  await broker.enqueue(work("q"));
  const late = broker.join("q", { timeout: 500 });
  const inTime = broker.join("q", { timeout: 600 });
  assertEquals(clock.pendingTimers, 2);
  await clock.advance(499);
  assertEquals(clock.timersSet, 2);
  const [error] = await Promise.all([late.catch((error) => error), clock.advance(1)]);
  assertEquals(error instanceof QueueJoinTimeout, true);
  await using consumer = broker.consume("q");
  await consumer.ack([await receiveOne(consumer)]);
  await inTime;
  assertEquals(clock.pendingTimers, 0);
});
