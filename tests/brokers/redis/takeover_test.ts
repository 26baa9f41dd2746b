import { assertEquals, assertGreaterOrEqual } from "@std/assert";
import { openSession } from "../../../brokers/redis/open_session.ts";
import { checkOptions } from "../../../brokers/redis/options.ts";
import { EXPIRE, FORGET } from "../../../brokers/redis/scripts.ts";
import { Sweep } from "../../../brokers/redis/sweep.ts";
import { firstArgs, receiveCount, receiveOne, work } from "../../conformance/broker_messages.ts";
import { withEnvironment } from "../../support/environment.ts";
import { FakeClock } from "../../support/fake_clock.ts";
import { startRedis } from "../../support/servers/redis.ts";
import { after, test } from "../../support/test.ts";
import { Monitor, runsOf } from "./monitor.ts";
import { leaveFromPython } from "./python.ts";
import { beat, eventually, Stage } from "./stage.ts";

const server = await startRedis();
after(() => server.stop());

const MINUTE = 60_000;
const DAY = 86_400_000;
/** Nothing is renewed, and nobody swept, unless a test asks for it. */
const NO_PULSE = { maintenanceInterval: Infinity };

const numbers = (count: number) => Array.from({ length: count }, (_, i) => i);

/** A stage with two brokers that go by one clock. */
function openTwo(options: object = NO_PULSE) {
  const clock = new FakeClock();
  const stage = new Stage(server);
  return {
    clock,
    stage,
    one: stage.open({ clock, ...options }),
    two: stage.open({ clock, ...options }),
  };
}

test("RedisBroker.maintain gives back what a dead broker had, of all queues and delay queues", async () => {
  const { clock, stage, one, two } = openTwo();
  await using _stage = stage;
  for (const queueName of ["one", "two.too"]) {
    two.declareQueue(queueName);
    await one.enqueueMany(numbers(3).map((n) => work(queueName, n)));
    await receiveCount(one.consume(queueName, { prefetch: 2 }), 2);
  }
  // As a Python worker does: delayed messages wait in its memory.
  const [id] = await stage.ids("one");
  await stage.command("SADD", stage.unacknowledgedKey(one.brokerId, "one.DQ"), id!);
  await stage.command("HSET", stage.key("one.DQ.msgs"), id!, "late");

  await clock.advance(MINUTE);
  await two.maintain();

  for (const queueName of ["one", "two.too"]) {
    assertEquals(await stage.held(one.brokerId, queueName), 0);
    assertEquals((await stage.firstArgs(queueName)).toSorted(), [0, 1, 2]);
  }
  assertEquals(await stage.ids("one.DQ"), [id]);
  assertEquals(await stage.heartbeat(one.brokerId), undefined);
});

test("RedisBroker.maintain leaves the living what they have", async () => {
  const { clock, stage, one, two } = openTwo();
  await using _stage = stage;
  two.declareQueue("q");
  await one.enqueue(work("q", 1));
  await receiveOne(one.consume("q"));
  await clock.advance(MINUTE - 1);
  await two.maintain();
  assertEquals(await stage.held(one.brokerId, "q"), 1);
  assertEquals(await stage.ids("q"), []);
  await clock.advance(1);
  await one.enqueue(work("other", 1)); // Any command tells that it lives.
  await two.maintain();
  assertEquals(await stage.held(one.brokerId, "q"), 1);
});

test("RedisBroker.maintain leaves its own broker what it has, however long that was silent", async () => {
  await using stage = new Stage(server);
  const clock = new FakeClock();
  const broker = stage.open({ clock, ...NO_PULSE, heartbeatTimeout: MINUTE });
  broker.declareQueue("q");
  await broker.enqueue(work("q", 1));
  const consumer = broker.consume("q");
  await receiveOne(consumer);
  await clock.advance(MINUTE - 1);
  await stage.command("ZADD", stage.key("__heartbeats__"), clock.now() - MINUTE, broker.brokerId);
  await broker.maintain();
  assertEquals([await stage.held(broker.brokerId, "q"), await stage.ids("q")], [1, []]);
});

test("RedisBroker.maintain gives back what a Python worker had of queues that nobody here knows", async () => {
  await using stage = new Stage(server, `odd[a-z]*?\\^-${crypto.randomUUID()}`);
  const clock = new FakeClock();
  const broker = stage.open({ clock });
  const long = clock.now() - MINUTE;
  const dead = await leaveFromPython(stage, "their.queue", ["a", "b"], long);
  const another = await leaveFromPython(stage, "other.DQ", ["c"], long);
  const living = await leaveFromPython(stage, "other", ["d"], long + 1);
  // More keys than one page of a scan has, in a server that others use, too.
  const fill = "for i = 1, 3000 do redis.call('SET', KEYS[1] .. i, 1) end";
  await stage.command("EVAL", fill, 1, stage.key("other-"));
  await broker.maintain();
  assertEquals((await stage.firstArgs("their.queue")).toSorted(), ["a", "b"]);
  assertEquals(await stage.firstArgs("other.DQ"), ["c"]);
  assertEquals(await stage.ids("other"), []);
  assertEquals(await stage.held(living, "other"), 1);
  assertEquals([await stage.heartbeat(dead), await stage.heartbeat(another)], [
    undefined,
    undefined,
  ]);
  assertEquals(await stage.heartbeat(living), long + 1);
});

test("RedisBroker.maintain gives back any number of messages of any number of dead brokers", async () => {
  const { clock, stage, one, two } = openTwo();
  await using _stage = stage;
  await one.enqueueMany(numbers(3_500).map((n) => work("q", n)));
  await receiveCount(one.consume("q", { prefetch: 3_500 }), 3_500);
  const heartbeats = numbers(2_500).flatMap((n) => [n, `dead-${n}`]);
  await stage.command("ZADD", stage.key("__heartbeats__"), ...heartbeats);
  await clock.advance(MINUTE);
  await two.maintain();
  assertEquals((await stage.ids("q")).length, 3_500);
  const { ready, unacknowledged } = await two.getQueueMessageCounts("q");
  assertEquals([ready, unacknowledged], [3_500, 0]);
  assertEquals(await stage.command("ZCARD", stage.key("__heartbeats__")), 1);
});

test("RedisBroker sweeps by itself, together with other sweepers", async () => {
  await using stage = new Stage(server);
  const clock = new FakeClock();
  const brokers = numbers(3).map(() => stage.open({ clock }));
  const receiving = brokers.map((broker) => broker.consume("q", { prefetch: 10 }).receive(10));
  await Promise.all(brokers.map((broker) => broker.getQueueMessageCounts("q")));
  await leaveFromPython(stage, "other", numbers(100), clock.now() - MINUTE);
  // None of them sweeps until it has been connected for a while: by the machine's time.
  await eventually("sweep", async () => {
    for (const broker of brokers) await beat(broker, clock);
    return (await stage.ids("other")).length > 0;
  });
  await eventually("be done", async () => {
    for (const broker of brokers) await beat(broker, clock);
    return (await stage.command("ZCARD", stage.key("__heartbeats__"))) === 3;
  });
  assertEquals(
    (await stage.firstArgs("other") as number[]).toSorted((a, b) => a - b),
    numbers(100),
  );
  await Promise.all(brokers.map((broker) => broker.close()));
  assertEquals(await Promise.all(receiving), [[], [], []]);
});

test("RedisBroker gives back each message once though two sweep at once", async () => {
  await using stage = new Stage(server);
  const clock = new FakeClock();
  const sweepers = numbers(2).map(() => stage.open({ clock, ...NO_PULSE }));
  await Promise.all(sweepers.map((broker) => broker.connect()));
  const long = clock.now() - MINUTE;
  for (const value of numbers(3)) {
    await leaveFromPython(stage, "q", numbers(700).map((n) => value * 700 + n), long);
  }
  await Promise.all(sweepers.map((broker) => broker.maintain()));
  const values = await stage.firstArgs("q") as number[];
  assertEquals(values.toSorted((a, b) => a - b), numbers(2_100));
  assertEquals(await stage.command("ZCARD", stage.key("__heartbeats__")), 0);
});

test("RedisBroker takes nothing from a worker that lives again since the sweeper looked, nor forgets it", async () => {
  await using stage = new Stage(server);
  const clock = new FakeClock();
  const options = checkOptions({ url: server.url, namespace: stage.namespace });
  const session = openSession(crypto.randomUUID(), clock, options);
  const sweep = new Sweep(session, { queues: new Set(["q"]) }, options);
  try {
    const limit = clock.now() - MINUTE;
    const revived = await leaveFromPython(stage, "q", [1, 2], limit + 1);
    await sweep.takeOverQueue(revived, "q", limit);
    await session.connection.run(FORGET, [session.keys.heartbeats], [limit, revived]);
    assertEquals(await stage.held(revived, "q"), 2);
    assertEquals(await stage.ids("q"), []);
    assertEquals(await stage.heartbeat(revived), limit + 1);
    await sweep.takeOverQueue(revived, "q", limit + 1);
    assertEquals((await stage.firstArgs("q")).toSorted(), [1, 2]);
  } finally {
    session.connection.close();
  }
});

test("RedisBroker's sweeper leaves the sweeping to the one that is at it", async () => {
  await using stage = new Stage(server);
  const clock = new FakeClock();
  const options = checkOptions({ url: server.url, namespace: stage.namespace });
  const [one, two] = numbers(2).map(() => openSession(crypto.randomUUID(), clock, options));
  const queues = { queues: new Set(["q"]) };
  try {
    const run = [one!, two!].map((session) =>
      new Sweep(session, queues, options).runAlone({ takesOver: true, expires: false })
    );
    await Promise.all(run);
    await leaveFromPython(stage, "q", [1], clock.now() - MINUTE);
    await new Sweep(two!, queues, options).runAlone({ takesOver: true, expires: false });
    assertEquals(await stage.ids("q"), []);
    await stage.command("DEL", stage.key("__sweep__"));
    await new Sweep(two!, queues, options).runAlone({ takesOver: true, expires: false });
    assertEquals(await stage.firstArgs("q"), [1]);
  } finally {
    for (const session of [one!, two!]) session.connection.close();
  }
});

for (const verb of ["ack", "nack", "requeue"] as const) {
  test(`RedisBroker changes nothing by a late ${verb} of what was taken over`, async () => {
    const { clock, stage, one, two } = openTwo();
    await using _stage = stage;
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
  const { stage, one } = openTwo();
  await using _stage = stage;
  await one.enqueueMany(numbers(2_500).map((n) => work("q", n)));
  const consumer = one.consume("q", { prefetch: 2_500 });
  await consumer.receive(10);
  assertGreaterOrEqual(await stage.held(one.brokerId, "q"), 10);
  await one.close();
  const left = await stage.firstArgs("q") as number[];
  assertEquals(left.toSorted((a, b) => a - b), numbers(2_500));
  assertEquals((await stage.keys()).toSorted(), [stage.key("q"), stage.key("q.msgs")]);
});

test("RedisBroker.close gives back in order what it had", async () => {
  const { stage, one } = openTwo();
  await using _stage = stage;
  await one.enqueueMany(numbers(1_500).map((n) => work("q", n)));
  const consumer = one.consume("q", { prefetch: 2_000 });
  await receiveCount(consumer, 1_500);
  await one.close();
  assertEquals(await stage.firstArgs("q"), numbers(1_500));
});

test("RedisBroker goes on past ids without a message, and drops them", async () => {
  await using stage = new Stage(server);
  const clock = new FakeClock();
  const broker = stage.open({ clock });
  const queue = stage.key("q");
  await stage.command("RPUSH", queue, "hole 1", "hole 2");
  await broker.enqueue(work("q", "first"));
  await stage.command("RPUSH", queue, "hole 3");
  await broker.enqueue(work("q", "second"));
  await stage.command("RPUSH", queue, "hole 4");
  const consumer = broker.consume("q", { prefetch: 2 });
  const messages = await receiveCount(consumer, 2);
  assertEquals(firstArgs(messages), ["first", "second"]);
  await consumer.ack(messages);
  const receiving = consumer.receive(1);
  await eventually("forget them", async () => {
    await beat(broker, clock);
    return await stage.held(broker.brokerId, "q") === 0;
  });
  assertEquals(await stage.ids("q"), []);
  await broker.close();
  assertEquals(await receiving, []);
  assertEquals(await stage.keys(), []);
});

test("RedisBroker keeps its heartbeat over its close while holes are with it, for others to sweep", async () => {
  const { clock, stage, one, two } = openTwo();
  await using _stage = stage;
  await stage.command("RPUSH", stage.key("q"), "hole");
  const consumer = one.consume("q");
  const receiving = consumer.receive(1);
  await eventually("fetch it", async () => await stage.held(one.brokerId, "q") === 1);
  await one.close();
  assertEquals(await receiving, []);
  await clock.advance(MINUTE);
  await two.maintain();
  await two.close();
  assertEquals(await stage.keys(), []);
});

test("RedisBroker.maintain drops dead letters older than dramatiq_dead_message_ttl says", async () => {
  await using stage = new Stage(server);
  const clock = new FakeClock();
  await withEnvironment({ dramatiq_dead_message_ttl: "1000" }, async () => {
    const broker = stage.open({ clock, ...NO_PULSE });
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
    assertEquals(await stage.command("EXISTS", stage.key("q.XQ.msgs")), 0);
  });
});

test("RedisBroker.maintain drops old dead letters of many queues in few calls", async () => {
  await using stage = new Stage(server);
  const clock = new FakeClock();
  const broker = stage.open({ clock, deadMessageTtl: 1_000, ...NO_PULSE });
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
  const own = runs.filter((args) => args.some((arg) => arg.startsWith(stage.key(""))));
  assertEquals(own.length, 3); // a thousand in each
  for (const queueName of filled) {
    assertEquals((await broker.getQueueMessageCounts(queueName)).dead, 2);
    assertEquals(await stage.command("HLEN", stage.key(`${queueName}.XQ.msgs`)), 2);
  }
});

test("RedisBroker.maintain keeps dead letters for seven days, or for deadMessageTtl", async () => {
  for (const [options, ttl] of [[{}, 7 * DAY], [{ deadMessageTtl: 5 }, 5]] as const) {
    await using stage = new Stage(server);
    const clock = new FakeClock();
    const broker = stage.open({ clock, ...NO_PULSE, ...options });
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
