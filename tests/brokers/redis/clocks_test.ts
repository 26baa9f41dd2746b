import { assert, assertEquals, assertLess, assertRejects } from "@std/assert";
import { type Clock, QueueJoinTimeout, type RedisBroker, systemClock } from "@dq/dramatiq";
import { firstArgs, receiveCount, receiveOne, work } from "../../conformance/broker_messages.ts";
import { FakeClock } from "../../support/fake_clock.ts";
import { startRedis } from "../../support/servers/redis.ts";
import { after, test } from "../../support/test.ts";
import { untilSorted } from "./promoting.ts";
import { leaveFromPython, sendFromPython } from "./python.ts";
import { eventually, Fixture } from "./fixture.ts";

const server = await startRedis();
after(() => server.stop());

const MINUTE = 60_000;
const DAY = 86_400_000;
const NO_HEARTBEAT = { maintenanceInterval: Infinity };
/** By how much a test may be slow. */
const SLACK = 20_000;

/** A clock of a machine that is set wrong, and can be set again. */
class WrongClock implements Clock {
  ahead: number;
  readonly monotonic = systemClock.monotonic!;
  readonly setTimer = systemClock.setTimer;
  readonly clearTimer = systemClock.clearTimer;

  constructor(ahead: number) {
    this.ahead = ahead;
  }

  now(): number {
    return Date.now() + this.ahead;
  }
}

/** The server's clock, which here is that of this machine. */
const serverTime = async () => {
  const [seconds] = await server.command("TIME") as string[];
  return Number(seconds) * 1_000;
};

function assertNear(actual: number, expected: number): void {
  assertLess(Math.abs(actual - expected), SLACK, `${actual} is not near ${expected}`);
}

const CLOCKS = [["ahead", 2 * MINUTE], ["behind", -2 * MINUTE]] as const;

for (const [where, ms] of CLOCKS) {
  test(`RedisBroker whose clock is ${where} writes heartbeats by that of the server`, async () => {
    await using fixture = new Fixture(server);
    const broker = fixture.open({ clock: new WrongClock(ms), maintenanceInterval: 20 });
    const now = await serverTime();
    const heartbeat = async () => (await fixture.heartbeat(broker.brokerId))!;
    await broker.enqueue(work("q", 1));
    assertNear(await heartbeat(), now);
    assert(Number.isInteger(await heartbeat()));
    await using consumer = broker.consume("q");
    await receiveOne(consumer);
    const fetched = await heartbeat();
    assertNear(fetched, now);
    await eventually("beat", async () => await heartbeat() > fetched);
    assertNear(await heartbeat(), now);
  });

  test(`RedisBroker whose clock is ${where} takes over from dead workers, and from no others`, async () => {
    await using fixture = new Fixture(server);
    const living = fixture.open(NO_HEARTBEAT);
    await living.enqueue(work("q", "running"));
    await receiveOne(living.consume("q"));
    await leaveFromPython(fixture, "q", ["left"], await serverTime() - MINUTE);
    const recoverer = fixture.open({ clock: new WrongClock(ms), ...NO_HEARTBEAT });
    recoverer.declareQueue("q");
    await recoverer.maintain();
    assertEquals(await fixture.firstArgs("q"), ["left"]);
    assertEquals(await fixture.held(living.brokerId, "q"), 1);
  });

  test(`RedisBroker whose clock is ${where} delays by that of the server, from its first message on`, async () => {
    await using fixture = new Fixture(server);
    const sender = fixture.open({ clock: new WrongClock(ms) });
    const now = await serverTime();
    const [message] = await Promise.all([
      sender.enqueue(work("q", 1), { delay: 10 * MINUTE }),
      sender.enqueueMany([work("q", 2)], { delay: 10 * MINUTE }),
    ]);
    const again = await sender.enqueue(work("q", 3), { delay: 10 * MINUTE });
    for (const one of [message, again]) {
      assertNear(one.options.eta as number, now + 10 * MINUTE);
    }
    const texts = await fixture.command("HVALS", fixture.key("q.DQ.msgs")) as string[];
    assertEquals(texts.length, 3);
    for (const text of texts) {
      assertNear(JSON.parse(text).options.eta, now + 10 * MINUTE);
    }
  });

  test(`RedisBroker whose clock is ${where} gives delayed messages when they are due by that of the server`, async () => {
    await using fixture = new Fixture(server);
    const broker = fixture.open({ clock: new WrongClock(ms) });
    const now = await serverTime();
    await sendFromPython(fixture, "q.DQ", ["early"], now + MINUTE);
    await sendFromPython(fixture, "q.DQ", ["due"], now - 1_000);
    await sendFromPython(fixture, "q.DQ", ["soon"], now + 1_500);
    await using consumer = broker.consume("q.DQ", { prefetch: 10 });
    assertEquals(firstArgs(await receiveCount(consumer, 2)), ["due", "soon"]);
    assert(await serverTime() + 1_000 > now + 1_500);
    await untilSorted(fixture, 3);
  });

  test(`RedisBroker whose clock is ${where} delays what is early on a queue by that of the server`, async () => {
    await using fixture = new Fixture(server);
    const broker = fixture.open({ clock: new WrongClock(ms) });
    const now = await serverTime();
    await sendFromPython(fixture, "q", ["early"], now + MINUTE);
    await sendFromPython(fixture, "q", ["due"], now - 1_000);
    await sendFromPython(fixture, "q", ["now"]);
    await using consumer = broker.consume("q", { prefetch: 10 });
    assertEquals(firstArgs(await receiveCount(consumer, 2)), ["due", "now"]);
    const { delayed, unacknowledged } = await broker.getQueueMessageCounts("q");
    assertEquals([delayed, unacknowledged], [1, 2]);
  });
}

test("RedisBroker writes deaths by the clock of the server, and drops what is old by it", async () => {
  await using fixture = new Fixture(server);
  const broker = fixture.open({ clock: new WrongClock(8 * DAY), ...NO_HEARTBEAT });
  broker.declareQueue("q");
  const now = await serverTime();
  await broker.enqueueMany([work("q", 1), work("q", 2)]);
  await using consumer = broker.consume("q", { prefetch: 2 });
  const [first, second] = await receiveCount(consumer, 2);
  await consumer.nack([first!, second!]);
  for await (const { diedAt } of broker.deadLetters("q")) {
    assertNear(diedAt!, now);
  }
  const [id] = await fixture.command("ZRANGE", fixture.key("q.XQ"), 0, 0) as string[];
  await fixture.command("ZADD", fixture.key("q.XQ"), now - 7 * DAY, id!);
  await broker.maintain();
  assertEquals((await broker.getQueueMessageCounts("q")).dead, 1);
});

test("RedisBroker keeps its messages while its clock jumps, and no worker takes them over", async () => {
  await using fixture = new Fixture(server);
  const clock = new WrongClock(0);
  const broker = fixture.open({ clock, maintenanceInterval: 20 });
  const other = fixture.open({ maintenanceInterval: 20 });
  await broker.enqueue(work("q", 1));
  await using consumer = broker.consume("q");
  const message = await receiveOne(consumer);
  for (const ahead of [10 * MINUTE, -10 * MINUTE, 0]) {
    clock.ahead = ahead;
    const before = (await fixture.heartbeat(broker.brokerId))!;
    const hasBeaten = async () => (await fixture.heartbeat(broker.brokerId))! > before;
    await eventually("beat", hasBeaten);
    await other.maintain();
    assert(!consumer.isLost);
    assertEquals(await fixture.held(broker.brokerId, "q"), 1);
  }
  await consumer.ack([message]);
  assertEquals((await broker.getQueueMessageCounts("q")).unacknowledged, 0);
});

test("RedisBroker goes by the clock of the server after its own has jumped", async () => {
  await using fixture = new Fixture(server);
  const clock = new WrongClock(0);
  const sender = fixture.open({ clock });
  const eta = async () => {
    const { options } = await sender.enqueue(work("q", 1), { delay: MINUTE });
    return options.eta as number;
  };
  const now = await serverTime();
  assertNear(await eta(), now + MINUTE);
  clock.ahead = 10 * MINUTE;
  assertNear(await eta(), now + MINUTE);
  clock.ahead = -10 * MINUTE;
  assertNear(await eta(), now + MINUTE);
});

for (const jump of [3_600_000, -3_600_000]) {
  test(`RedisBroker.join waits as long as it is told, though the clock is set by ${jump} ms`, async () => {
    await using fixture = new Fixture(server);
    const clock = new FakeClock();
    const broker = fixture.open({ clock, ...NO_HEARTBEAT });
    await broker.enqueue(work("q", 1));
    let isOver = false;
    const joining = broker.join("q", { timeout: MINUTE });
    const over = joining.catch(() => {}).finally(() => isOver = true);
    clock.jump(jump);
    await broker.getQueueMessageCounts("q"); // It has looked by then.
    await clock.advance(MINUTE / 2);
    await broker.getQueueMessageCounts("q");
    await clock.settle();
    assert(!isOver);
    await eventually("give up", async () => {
      await clock.advance(1_000);
      return isOver;
    });
    await over;
    await assertRejects(() => joining, QueueJoinTimeout);
    assertLess(clock.monotonic() - new FakeClock().monotonic(), 3 * MINUTE);
  });
}

test("RedisBroker sends delayed messages that wait for the time of the server before it closes", async () => {
  await using fixture = new Fixture(server);
  const broker = fixture.open();
  const sending = broker.enqueue(work("q", 1), { delay: MINUTE });
  await broker.close();
  await sending;
  assertEquals((await fixture.ids("q.DQ")).length, 1);
});

test("RedisBroker delays by its own clock when that agrees with the server's", async () => {
  await using fixture = new Fixture(server);
  const broker: RedisBroker = fixture.open();
  await broker.connect();
  const before = Date.now();
  const { options } = await broker.enqueue(work("q", 1), { delay: MINUTE });
  const eta = options.eta as number;
  assert(eta >= before + MINUTE && eta <= Date.now() + MINUTE, `${eta}`);
});

test("RedisBroker counts a heartbeat from the future as of now, so that its worker can be dead", async () => {
  await using fixture = new Fixture(server);
  const dead = await leaveFromPython(fixture, "q", [1], await serverTime() + DAY);
  const broker = fixture.open({ maintenanceInterval: 20 });
  await using consumer = broker.consume("other");
  const stop = new AbortController();
  const receiving = consumer.receive(1, { signal: stop.signal });
  await eventually("see it", async () => (await fixture.heartbeat(dead))! < Date.now() + MINUTE);
  assertLess(await serverTime() - SLACK, (await fixture.heartbeat(dead))!);
  assertEquals(await fixture.held(dead, "q"), 1);
  stop.abort();
  await receiving;
});
