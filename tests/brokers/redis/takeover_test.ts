import { assertEquals, assertGreaterOrEqual } from "@std/assert";
import { openSession } from "../../../brokers/redis/open_session.ts";
import { checkOptions } from "../../../brokers/redis/options.ts";
import { FORGET } from "../../../brokers/redis/recovery_scripts.ts";
import { Recovery } from "../../../brokers/redis/recovery.ts";
import { firstArgs, receiveCount, receiveOne, work } from "../../conformance/broker_messages.ts";
import { FakeClock } from "../../support/fake_clock.ts";
import { startRedis } from "../../support/servers/redis.ts";
import { after, test } from "../../support/test.ts";
import { leaveFromPython } from "./python.ts";
import { beat, eventually, Fixture } from "./fixture.ts";

const server = await startRedis();
after(() => server.stop());

const MINUTE = 60_000;
/** Nothing is renewed, and nothing recovered, unless a test asks for it. */
const NO_HEARTBEAT = { maintenanceInterval: Infinity };

const numbers = (count: number) => Array.from({ length: count }, (_, i) => i);

/** A fixture with two brokers that go by one clock. */
function openTwo(options: object = NO_HEARTBEAT) {
  const clock = new FakeClock();
  const fixture = new Fixture(server);
  return {
    clock,
    fixture,
    one: fixture.open({ clock, ...options }),
    two: fixture.open({ clock, ...options }),
  };
}

test("RedisBroker.maintain gives back what a dead broker had, of all queues and delay queues", async () => {
  const { clock, fixture, one, two } = openTwo();
  await using _fixture = fixture;
  for (const queueName of ["one", "two.too"]) {
    two.declareQueue(queueName);
    await one.enqueueMany(numbers(3).map((n) => work(queueName, n)));
    await receiveCount(one.consume(queueName, { prefetch: 2 }), 2);
  }
  // As a Python worker does: delayed messages wait in its memory.
  const [id] = await fixture.ids("one");
  await fixture.command("SADD", fixture.unacknowledgedKey(one.brokerId, "one.DQ"), id!);
  await fixture.command("HSET", fixture.key("one.DQ.msgs"), id!, "late");

  await clock.advance(MINUTE);
  await two.maintain();

  for (const queueName of ["one", "two.too"]) {
    assertEquals(await fixture.held(one.brokerId, queueName), 0);
    assertEquals((await fixture.firstArgs(queueName)).toSorted(), [0, 1, 2]);
  }
  assertEquals(await fixture.ids("one.DQ"), [id]);
  assertEquals(await fixture.heartbeat(one.brokerId), undefined);
});

test("RedisBroker.maintain leaves the living what they have", async () => {
  const { clock, fixture, one, two } = openTwo();
  await using _fixture = fixture;
  two.declareQueue("q");
  await one.enqueue(work("q", 1));
  await receiveOne(one.consume("q"));
  await clock.advance(MINUTE - 1);
  await two.maintain();
  assertEquals(await fixture.held(one.brokerId, "q"), 1);
  assertEquals(await fixture.ids("q"), []);
  await clock.advance(1);
  await one.enqueue(work("other", 1)); // Any command tells that it lives.
  await two.maintain();
  assertEquals(await fixture.held(one.brokerId, "q"), 1);
});

test("RedisBroker.maintain leaves its own broker what it has, however long that was silent", async () => {
  await using fixture = new Fixture(server);
  const clock = new FakeClock();
  const broker = fixture.open({ clock, ...NO_HEARTBEAT, heartbeatTimeout: MINUTE });
  broker.declareQueue("q");
  await broker.enqueue(work("q", 1));
  const consumer = broker.consume("q");
  await receiveOne(consumer);
  await clock.advance(MINUTE - 1);
  await fixture.command(
    "ZADD",
    fixture.key("__heartbeats__"),
    clock.now() - MINUTE,
    broker.brokerId,
  );
  await broker.maintain();
  assertEquals([await fixture.held(broker.brokerId, "q"), await fixture.ids("q")], [1, []]);
});

test("RedisBroker.maintain gives back what a Python worker had of queues that nobody here knows", async () => {
  await using fixture = new Fixture(server, `odd[a-z]*?\\^-${crypto.randomUUID()}`);
  const clock = new FakeClock();
  const broker = fixture.open({ clock });
  const long = clock.now() - MINUTE;
  const dead = await leaveFromPython(fixture, "their.queue", ["a", "b"], long);
  const another = await leaveFromPython(fixture, "other.DQ", ["c"], long);
  const living = await leaveFromPython(fixture, "other", ["d"], long + 1);
  // More keys than one page of a scan has, in a server that others use, too.
  const fill = "for i = 1, 3000 do redis.call('SET', KEYS[1] .. i, 1) end";
  await fixture.command("EVAL", fill, 1, fixture.key("other-"));
  await broker.maintain();
  assertEquals((await fixture.firstArgs("their.queue")).toSorted(), ["a", "b"]);
  assertEquals(await fixture.firstArgs("other.DQ"), ["c"]);
  assertEquals(await fixture.ids("other"), []);
  assertEquals(await fixture.held(living, "other"), 1);
  assertEquals([await fixture.heartbeat(dead), await fixture.heartbeat(another)], [
    undefined,
    undefined,
  ]);
  assertEquals(await fixture.heartbeat(living), long + 1);
});

test("RedisBroker.maintain gives back any number of messages of any number of dead brokers", async () => {
  const { clock, fixture, one, two } = openTwo();
  await using _fixture = fixture;
  await one.enqueueMany(numbers(3_500).map((n) => work("q", n)));
  await receiveCount(one.consume("q", { prefetch: 3_500 }), 3_500);
  const heartbeats = numbers(2_500).flatMap((n) => [n, `dead-${n}`]);
  await fixture.command("ZADD", fixture.key("__heartbeats__"), ...heartbeats);
  await clock.advance(MINUTE);
  await two.maintain();
  assertEquals((await fixture.ids("q")).length, 3_500);
  const { ready, unacknowledged } = await two.getQueueMessageCounts("q");
  assertEquals([ready, unacknowledged], [3_500, 0]);
  assertEquals(await fixture.command("ZCARD", fixture.key("__heartbeats__")), 1);
});

test("RedisBroker recovers lost deliveries by itself, together with others", async () => {
  await using fixture = new Fixture(server);
  const clock = new FakeClock();
  const brokers = numbers(3).map(() => fixture.open({ clock }));
  const receiving = brokers.map((broker) => broker.consume("q", { prefetch: 10 }).receive(10));
  await Promise.all(brokers.map((broker) => broker.getQueueMessageCounts("q")));
  await leaveFromPython(fixture, "other", numbers(100), clock.now() - MINUTE);
  // None of them recovers anything until it has been connected for a while: by the machine's time.
  await eventually("recover", async () => {
    for (const broker of brokers) await beat(broker, clock);
    return (await fixture.ids("other")).length > 0;
  });
  await eventually("be done", async () => {
    for (const broker of brokers) await beat(broker, clock);
    return (await fixture.command("ZCARD", fixture.key("__heartbeats__"))) === 3;
  });
  assertEquals(
    (await fixture.firstArgs("other") as number[]).toSorted((a, b) => a - b),
    numbers(100),
  );
  await Promise.all(brokers.map((broker) => broker.close()));
  assertEquals(await Promise.all(receiving), [[], [], []]);
});

test("RedisBroker gives back each message once though two recover it at once", async () => {
  await using fixture = new Fixture(server);
  const clock = new FakeClock();
  const recoverers = numbers(2).map(() => fixture.open({ clock, ...NO_HEARTBEAT }));
  await Promise.all(recoverers.map((broker) => broker.connect()));
  const long = clock.now() - MINUTE;
  for (const value of numbers(3)) {
    await leaveFromPython(fixture, "q", numbers(700).map((n) => value * 700 + n), long);
  }
  await Promise.all(recoverers.map((broker) => broker.maintain()));
  const values = await fixture.firstArgs("q") as number[];
  assertEquals(values.toSorted((a, b) => a - b), numbers(2_100));
  assertEquals(await fixture.command("ZCARD", fixture.key("__heartbeats__")), 0);
});

test("RedisBroker takes nothing from a worker that lives again since the recovery looked, nor forgets it", async () => {
  await using fixture = new Fixture(server);
  const clock = new FakeClock();
  const options = checkOptions({ url: server.url, namespace: fixture.namespace });
  const session = openSession(crypto.randomUUID(), clock, options);
  const recovery = new Recovery(session, { queues: new Set(["q"]) }, options);
  try {
    const limit = clock.now() - MINUTE;
    const revived = await leaveFromPython(fixture, "q", [1, 2], limit + 1);
    await recovery.takeOverQueue(revived, "q", limit);
    await session.connection.run(FORGET, [session.keys.heartbeats], [limit, revived]);
    assertEquals(await fixture.held(revived, "q"), 2);
    assertEquals(await fixture.ids("q"), []);
    assertEquals(await fixture.heartbeat(revived), limit + 1);
    await recovery.takeOverQueue(revived, "q", limit + 1);
    assertEquals((await fixture.firstArgs("q")).toSorted(), [1, 2]);
  } finally {
    session.connection.close();
  }
});

test("RedisBroker leaves the recovery to the one that runs it", async () => {
  await using fixture = new Fixture(server);
  const clock = new FakeClock();
  const options = checkOptions({ url: server.url, namespace: fixture.namespace });
  const [one, two] = numbers(2).map(() => openSession(crypto.randomUUID(), clock, options));
  const queues = { queues: new Set(["q"]) };
  try {
    const run = [one!, two!].map((session) =>
      new Recovery(session, queues, options).runAlone({ takesOver: true, expires: false })
    );
    await Promise.all(run);
    await leaveFromPython(fixture, "q", [1], clock.now() - MINUTE);
    await new Recovery(two!, queues, options).runAlone({ takesOver: true, expires: false });
    assertEquals(await fixture.ids("q"), []);
    await fixture.command("DEL", fixture.key("__sweep__"));
    await new Recovery(two!, queues, options).runAlone({ takesOver: true, expires: false });
    assertEquals(await fixture.firstArgs("q"), [1]);
  } finally {
    for (const session of [one!, two!]) session.connection.close();
  }
});

for (const verb of ["ack", "nack", "requeue"] as const) {
  test(`RedisBroker changes nothing by a late ${verb} of what was taken over`, async () => {
    const { clock, fixture, one, two } = openTwo();
    await using _fixture = fixture;
    two.declareQueue("q");
    await one.enqueueMany(numbers(3).map((n) => work("q", n)));
    const late = one.consume("q", { prefetch: 3 });
    const messages = await receiveCount(late, 3);
    await clock.advance(MINUTE);
    await two.maintain();
    await using consumer = two.consume("q", { prefetch: 2 });
    const again = await receiveCount(consumer, 2);

    await late[verb](messages);
    await late.close();

    const counts = { ready: 1, delayed: 0, unacknowledged: 2, dead: 0 };
    assertEquals(await two.getQueueMessageCounts("q"), counts);
    await consumer.ack(again);
    assertEquals(await two.getQueueMessageCounts("q"), { ...counts, unacknowledged: 0 });
    assertEquals((await receiveOne(consumer)).args.length, 1);
  });
}

test("RedisBroker.close gives back at once all that it had, received or only fetched", async () => {
  const { fixture, one } = openTwo();
  await using _fixture = fixture;
  await one.enqueueMany(numbers(2_500).map((n) => work("q", n)));
  const consumer = one.consume("q", { prefetch: 2_500 });
  await consumer.receive(10);
  assertGreaterOrEqual(await fixture.held(one.brokerId, "q"), 10);
  await one.close();
  const left = await fixture.firstArgs("q") as number[];
  assertEquals(left.toSorted((a, b) => a - b), numbers(2_500));
  assertEquals((await fixture.keys()).toSorted(), [fixture.key("q"), fixture.key("q.msgs")]);
});

test("RedisBroker.close gives back in order what it had", async () => {
  const { fixture, one } = openTwo();
  await using _fixture = fixture;
  await one.enqueueMany(numbers(1_500).map((n) => work("q", n)));
  const consumer = one.consume("q", { prefetch: 2_000 });
  await receiveCount(consumer, 1_500);
  await one.close();
  assertEquals(await fixture.firstArgs("q"), numbers(1_500));
});

test("RedisBroker goes on past ids without a message, and drops them", async () => {
  await using fixture = new Fixture(server);
  const clock = new FakeClock();
  const broker = fixture.open({ clock });
  const queue = fixture.key("q");
  await fixture.command("RPUSH", queue, "hole 1", "hole 2");
  await broker.enqueue(work("q", "first"));
  await fixture.command("RPUSH", queue, "hole 3");
  await broker.enqueue(work("q", "second"));
  await fixture.command("RPUSH", queue, "hole 4");
  const consumer = broker.consume("q", { prefetch: 2 });
  const messages = await receiveCount(consumer, 2);
  assertEquals(firstArgs(messages), ["first", "second"]);
  await consumer.ack(messages);
  const receiving = consumer.receive(1);
  await eventually("forget them", async () => {
    await beat(broker, clock);
    return await fixture.held(broker.brokerId, "q") === 0;
  });
  assertEquals(await fixture.ids("q"), []);
  await broker.close();
  assertEquals(await receiving, []);
  assertEquals(await fixture.keys(), []);
});

test("RedisBroker keeps its heartbeat over its close while holes are with it, for others to recover", async () => {
  const { clock, fixture, one, two } = openTwo();
  await using _fixture = fixture;
  await fixture.command("RPUSH", fixture.key("q"), "hole");
  const consumer = one.consume("q");
  const receiving = consumer.receive(1);
  await eventually("fetch it", async () => await fixture.held(one.brokerId, "q") === 1);
  await one.close();
  assertEquals(await receiving, []);
  await clock.advance(MINUTE);
  await two.maintain();
  await two.close();
  assertEquals(await fixture.keys(), []);
});
