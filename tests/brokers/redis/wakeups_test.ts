import { assertEquals, assertGreaterOrEqual } from "@std/assert";
import { actor, type RedisBroker, Worker } from "@dq/dramatiq";
import { FETCH, PULSE } from "../../../brokers/redis/scripts.ts";
import { firstArgs, receiveOne, work } from "../../conformance/broker_messages.ts";
import { FakeClock } from "../../support/fake_clock.ts";
import { startProxy } from "../../support/servers/proxy.ts";
import { Monitor, runsOf } from "./monitor.ts";
import { advanceUntil } from "./promoting.ts";
import { sendFromPython } from "./python.ts";
import { beat, eventually, Stage, startForFile, untilTracking } from "./stage.ts";
import { addUser, DEAF_USERS } from "./users.ts";

const { test, server } = await startForFile();

/** Only Redis itself can wake a consumer then. */
const NO_PULSE = { maintenanceInterval: Infinity };

async function clientList(): Promise<string> {
  return String(await server.command("CLIENT", "LIST"));
}

test("RedisBroker is woken by a Python producer", async () => {
  await using stage = new Stage(server);
  const broker = stage.open(NO_PULSE);
  await using consumer = broker.consume("q", { prefetch: 10 });
  for (const value of ["first", "second", "third"]) {
    const receiving = consumer.receive(1);
    await untilTracking(server);
    await sendFromPython(stage, "q", [value]);
    assertEquals(firstArgs(await receiving), [value]);
  }
});

test("RedisBroker is woken on each of many queues, over the same connections", async () => {
  await using stage = new Stage(server);
  const broker = stage.open(NO_PULSE);
  const queues = Array.from({ length: 30 }, (_, i) => `q${i}`);
  const receiving = queues.map((name) => receiveOne(broker.consume(name)));
  await untilTracking(server);
  for (const name of queues.toReversed()) await sendFromPython(stage, name, [name]);
  assertEquals(firstArgs(await Promise.all(receiving)), queues);
});

test("RedisBroker is woken by what is requeued, and by what another broker gives back", async () => {
  await using stage = new Stage(server);
  const [one, two] = [stage.open(NO_PULSE), stage.open(NO_PULSE)];
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
  await using stage = new Stage(server);
  const clock = new FakeClock();
  const broker = stage.open({ ...NO_PULSE, clock });
  await using consumer = broker.consume("q.DQ");
  const receiving = consumer.receive(1);
  await untilTracking(server);
  await sendFromPython(stage, "q.DQ", ["late"], clock.now() + 60_000);
  await eventually("sort it", async () => (await stage.ids("q.DQ")).length === 0);
  assertEquals(firstArgs(await advanceUntil(clock, 60_000, receiving)), ["late"]);
});

test("RedisBroker is woken again after the connections that tell it were cut", async () => {
  await using stage = new Stage(server);
  const broker = stage.open(NO_PULSE);
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
    await sendFromPython(stage, "q", ["sent while nobody listens"]);
    assertEquals(firstArgs(await receiving), ["sent while nobody listens"]);
    const next = consumer.receive(1);
    await untilTracking(server);
    await sendFromPython(stage, "q", ["sent later"]);
    assertEquals(firstArgs(await next), ["sent later"]);
  }
});

test("RedisBroker goes on waiting when all keys are dropped", async () => {
  await using stage = new Stage(server);
  const broker = stage.open(NO_PULSE);
  await using consumer = broker.consume("q");
  const receiving = consumer.receive(1);
  await untilTracking(server);
  await server.command("FLUSHALL");
  await sendFromPython(stage, "q", ["later"]);
  assertEquals(firstArgs(await receiving), ["later"]);
});

/** A broker of a user who lacks something. */
async function openAs(stage: Stage, clock: FakeClock, ...rules: string[]): Promise<RedisBroker> {
  return stage.open({ url: await addUser(server, ...rules), clock });
}

for (const [what, rule] of DEAF_USERS) {
  test(`RedisBroker finds messages by its pulse where the user may not use ${what}`, async () => {
    await using stage = new Stage(server);
    const clock = new FakeClock();
    const broker = await openAs(stage, clock, rule);
    await using consumer = broker.consume("q", { prefetch: 10 });
    for (const value of ["first", "second"]) {
      const receiving = consumer.receive(1);
      await sendFromPython(stage, "q", [value]);
      await beat(broker, clock);
      assertEquals(firstArgs(await receiving), [value]);
    }
  });
}

test("RedisBroker finds a delayed message that another one sorted by its pulse", async () => {
  await using stage = new Stage(server);
  const clock = new FakeClock();
  const broker = stage.open({ clock });
  await using consumer = broker.consume("q.DQ");
  const receiving = consumer.receive(1);
  await untilTracking(server);

  const other = stage.open({ clock, ...NO_PULSE });
  await other.enqueue(work("q", "late"), { delay: 60_000 });
  await eventually("sort it", async () => (await stage.ids("q.DQ")).length === 0);
  // As if the other one had sorted it, and this one had slept.
  const etas = stage.key("q.DQ.etas");
  const [id] = await stage.command("ZRANGE", etas, 0, 0) as string[];
  await stage.command("ZADD", etas, clock.now() + 5_000, id!);

  for (let second = 0; second < 7; second++) await beat(broker, clock);
  assertEquals(firstArgs(await receiving), ["late"]);
});

test("RedisBroker looks at all queues when Redis is back, also where it tells of no changes", async () => {
  await using stage = new Stage(server);
  await using proxy = await startProxy(server);
  const url = new URL(await addUser(server, "-client|tracking"));
  url.port = `${proxy.port}`;
  const broker = stage.open({ url: url.href, ...NO_PULSE });
  await using consumer = broker.consume("q");
  const receiving = consumer.receive(1);
  // That two more connections were made and given up shows that it is waiting.
  await eventually(
    "give up to be told",
    () => proxy.totalConnections >= 3 && proxy.connections === 1,
  );
  proxy.refuse();
  await proxy.cut();
  await stage.open().enqueue(work("q", "meanwhile"));
  await proxy.accept();
  assertEquals(firstArgs(await receiving), ["meanwhile"]);
});

test("RedisBroker of an idle worker sends no more than two commands a second", async () => {
  await using stage = new Stage(server);
  const clock = new FakeClock();
  const broker = stage.open({ clock });
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
  let pulses = 0;
  const others: unknown[] = [];
  while (pulses < 24) {
    await clock.advanceToNext();
    await eventually("hear a pulse", async () => {
      const commands = await monitor.take();
      const beats = runsOf(PULSE, commands);
      pulses += beats.length;
      others.push(...commands.filter((command) => !beats.includes(command)));
      return beats.length > 0;
    });
  }
  const seconds = (clock.now() - start) / 1_000;
  assertGreaterOrEqual(2 * seconds, pulses + others.length, `${others.join(" ")} in ${seconds} s`);
  assertEquals(runsOf(FETCH, others as string[][]), []);
});
