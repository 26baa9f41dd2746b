import { assertEquals, assertGreaterOrEqual } from "@std/assert";
import { actor, type RedisBroker, Worker } from "@dq/dramatiq";
import { HEARTBEAT } from "../../../brokers/redis/recovery_scripts.ts";
import { FETCH } from "../../../brokers/redis/scripts.ts";
import { firstArgs, receiveOne, work } from "../../conformance/broker_messages.ts";
import { FakeClock } from "../../support/fake_clock.ts";
import { startProxy } from "../../support/servers/proxy.ts";
import { Monitor, runsOf } from "../../brokers/redis/monitor.ts";
import { advanceUntil } from "../../brokers/redis/promoting.ts";
import { sendFromPython } from "../../brokers/redis/python.ts";
import {
  beat,
  eventually,
  Fixture,
  startForFile,
  untilTracking,
} from "../../brokers/redis/fixture.ts";
import { addUser, USERS_WITHOUT_TRACKING } from "../../brokers/redis/users.ts";

const { test, server } = await startForFile();

/** Only Redis itself can wake a consumer then. */
const NO_HEARTBEAT = { maintenanceInterval: Infinity };

async function clientList(): Promise<string> {
  return String(await server.command("CLIENT", "LIST"));
}

test("RedisBroker is woken by a Python producer", async () => {
  await using fixture = new Fixture(server);
  const broker = fixture.open(NO_HEARTBEAT);
  await using consumer = broker.consume("q", { prefetch: 10 });
  for (const value of ["first", "second", "third"]) {
    const receiving = consumer.receive(1);
    await untilTracking(server);
    await sendFromPython(fixture, "q", [value]);
    assertEquals(firstArgs(await receiving), [value]);
  }
});

test("RedisBroker is woken on each of many queues, over the same connections", async () => {
  await using fixture = new Fixture(server);
  const broker = fixture.open(NO_HEARTBEAT);
  const queues = Array.from({ length: 30 }, (_, i) => `q${i}`);
  const receiving = queues.map((name) => receiveOne(broker.consume(name)));
  await untilTracking(server);
  for (const name of queues.toReversed()) await sendFromPython(fixture, name, [name]);
  assertEquals(firstArgs(await Promise.all(receiving)), queues);
});

test("RedisBroker is woken by what is requeued, and by what another broker gives back", async () => {
  await using fixture = new Fixture(server);
  const [one, two] = [fixture.open(NO_HEARTBEAT), fixture.open(NO_HEARTBEAT)];
  await one.enqueue(work("q", "text"));
  const consumer = one.consume("q");
  const message = await receiveOne(consumer);
  await using other = two.consume("q");
  let receiving = other.receive(1);
  await untilTracking(server);
  await consumer.requeue([message]);
  const again = await receiving;
  assertEquals(firstArgs(again), ["text"]);

  receiving = consumer.receive(1);
  await untilTracking(server);
  await two.close();
  assertEquals(firstArgs(await receiving), ["text"]);
});

test("RedisBroker is woken by a delayed message of a Python producer", async () => {
  await using fixture = new Fixture(server);
  const clock = new FakeClock();
  const broker = fixture.open({ ...NO_HEARTBEAT, clock });
  await using consumer = broker.consume("q.DQ");
  const receiving = consumer.receive(1);
  await untilTracking(server);
  await sendFromPython(fixture, "q.DQ", ["late"], clock.now() + 60_000);
  await eventually("sort it", async () => (await fixture.ids("q.DQ")).length === 0);
  assertEquals(firstArgs(await advanceUntil(clock, 60_000, receiving)), ["late"]);
});

test("RedisBroker is woken again after the connections that tell it were cut", async () => {
  await using fixture = new Fixture(server);
  const broker = fixture.open(NO_HEARTBEAT);
  await using consumer = broker.consume("q", { prefetch: 10 });
  const kills = [
    () => server.command("CLIENT", "KILL", "TYPE", "pubsub"),
    async () => {
      const [, id] = /^id=(\d+) .* flags=\w*t/m.exec(await clientList())!;
      return await server.command("CLIENT", "KILL", "ID", id!);
    },
  ];
  for (const kill of kills) {
    const receiving = consumer.receive(1);
    await untilTracking(server);
    await kill();
    await sendFromPython(fixture, "q", ["sent while nobody listens"]);
    assertEquals(firstArgs(await receiving), ["sent while nobody listens"]);
    const next = consumer.receive(1);
    await untilTracking(server);
    await sendFromPython(fixture, "q", ["sent later"]);
    assertEquals(firstArgs(await next), ["sent later"]);
  }
});

test("RedisBroker goes on waiting when all keys are dropped", async () => {
  await using fixture = new Fixture(server);
  const broker = fixture.open(NO_HEARTBEAT);
  await using consumer = broker.consume("q");
  const receiving = consumer.receive(1);
  await untilTracking(server);
  await server.command("FLUSHALL");
  await sendFromPython(fixture, "q", ["later"]);
  assertEquals(firstArgs(await receiving), ["later"]);
});

/** A broker of a user who lacks something. */
async function openAs(
  fixture: Fixture,
  clock: FakeClock,
  ...rules: string[]
): Promise<RedisBroker> {
  return fixture.open({ url: await addUser(server, ...rules), clock });
}

for (const [what, rule] of USERS_WITHOUT_TRACKING) {
  test(`RedisBroker finds messages by its heartbeat where the user may not use ${what}`, async () => {
    await using fixture = new Fixture(server);
    const clock = new FakeClock();
    const broker = await openAs(fixture, clock, rule);
    await using consumer = broker.consume("q", { prefetch: 10 });
    for (const value of ["first", "second"]) {
      const receiving = consumer.receive(1);
      await sendFromPython(fixture, "q", [value]);
      await beat(broker, clock);
      assertEquals(firstArgs(await receiving), [value]);
    }
  });
}

test("RedisBroker finds a delayed message that another one sorted by its heartbeat", async () => {
  await using fixture = new Fixture(server);
  const clock = new FakeClock();
  const broker = fixture.open({ clock });
  await using consumer = broker.consume("q.DQ");
  const receiving = consumer.receive(1);
  await untilTracking(server);

  const other = fixture.open({ clock, ...NO_HEARTBEAT });
  await other.enqueue(work("q", "late"), { delay: 60_000 });
  await eventually("sort it", async () => (await fixture.ids("q.DQ")).length === 0);
  // As if the other one had sorted it, and this one had slept.
  const etas = fixture.key("q.DQ.etas");
  const [id] = await fixture.command("ZRANGE", etas, 0, 0) as string[];
  await fixture.command("ZADD", etas, clock.now() + 5_000, id!);

  for (let second = 0; second < 7; second++) await beat(broker, clock);
  assertEquals(firstArgs(await receiving), ["late"]);
});

test("RedisBroker looks at all queues when Redis is back, also where it tells of no changes", async () => {
  await using fixture = new Fixture(server);
  await using proxy = await startProxy(server);
  const url = new URL(await addUser(server, "-client|tracking"));
  url.port = `${proxy.port}`;
  const broker = fixture.open({ url: url.href, ...NO_HEARTBEAT });
  await using consumer = broker.consume("q");
  const receiving = consumer.receive(1);
  // That two more connections were made and given up shows that it is waiting.
  await eventually(
    "give up to be told",
    () => proxy.totalConnections >= 3 && proxy.connections === 1,
  );
  proxy.refuse();
  await proxy.cut();
  await fixture.open().enqueue(work("q", "meanwhile"));
  await proxy.accept();
  assertEquals(firstArgs(await receiving), ["meanwhile"]);
});

test("RedisBroker of an idle worker sends no more than two commands a second", async () => {
  await using fixture = new Fixture(server);
  const clock = new FakeClock();
  const broker = fixture.open({ clock });
  for (const queueName of ["one", "two", "three"]) broker.declareQueue(queueName);
  const note = actor(() => {}, { broker, queueName: "four", actorName: "note" });
  await using worker = new Worker(broker);
  await worker.start();
  await untilTracking(server);
  await note.send();
  await eventually("run it", async () => {
    const { ready, unacknowledged } = await broker.getQueueMessageCounts("four");
    return ready + unacknowledged === 0;
  });
  await using monitor = await Monitor.open(server);
  // What the first wait, and the last message, still cause.
  await eventually("be idle", async () => (await monitor.take()).length === 0);
  const start = clock.now();
  let heartbeats = 0;
  const others: unknown[] = [];
  // Two minutes: old dead letters are dropped, in about ten commands, once a minute.
  while (clock.now() < start + 120_000) {
    await clock.advance(1_000); // a heartbeat comes more often; what the worker reports, less
    await eventually("hear a heartbeat", async () => {
      const commands = await monitor.take();
      const beats = runsOf(HEARTBEAT, commands);
      heartbeats += beats.length;
      others.push(...commands.filter((command) => !beats.includes(command)));
      return beats.length > 0;
    });
  }
  const seconds = (clock.now() - start) / 1_000;
  assertGreaterOrEqual(
    2 * seconds,
    heartbeats + others.length,
    `${others.join(" ")} in ${seconds} s`,
  );
  assertEquals(runsOf(FETCH, others as string[][]), []);
});
