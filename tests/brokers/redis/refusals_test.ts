import { assertEquals, assertInstanceOf, assertMatch } from "@std/assert";
import { actor, ConnectionFailed, type RedisBroker, Worker } from "@dq/dramatiq";
import { firstArgs, receiveCount, work } from "../../conformance/broker_messages.ts";
import { withEnvironment } from "../../support/environment.ts";
import { FakeClock } from "../../support/fake_clock.ts";
import { startOwnRedis } from "../../support/servers/redis.ts";
import { outcomeOf } from "../outages/outage.ts";
import { beat, eventually, Fixture, startForFile, untilTracking } from "./fixture.ts";

const { test, server } = await startForFile();

const numbers = (count: number) => Array.from({ length: count }, (_, i) => i);
/** A failed consumer starts again sooner than by default. */
const RESTARTS_SOON = { dramatiq_restart_delay: "10" };

/** Makes sure that a send is refused, for a reason that Redis gave. */
async function assertRefused(sending: Promise<unknown>, reason: RegExp): Promise<void> {
  const failure = await outcomeOf(sending);
  assertInstanceOf(failure, ConnectionFailed);
  assertMatch(failure.cause.message, reason);
  assertMatch(failure.message, reason);
}

test("RedisBroker refuses to send with a wrong password, and works when it has become right", async () => {
  await using own = await startOwnRedis({ password: "right" });
  await using fixture = new Fixture(own);
  const broker = fixture.open({ url: `redis://:wrong@127.0.0.1:${own.port}` });
  const receiving = broker.consume("q").receive(1);
  await assertRefused(broker.enqueue(work("q", "lost")), /^(Cannot .*)?(WRONGPASS|NOAUTH)/);
  await own.command("CONFIG", "SET", "requirepass", "wrong");
  await eventually("send", async () => {
    return await outcomeOf(broker.enqueue(work("q", "sent"))) === undefined;
  });
  assertEquals(firstArgs(await receiving), ["sent"]);
  await broker.close();
});

test("RedisBroker refuses to send without a password where one is needed", async () => {
  await using own = await startOwnRedis({ password: "right" });
  await using fixture = new Fixture(own);
  const broker = fixture.open({ url: `redis://127.0.0.1:${own.port}` });
  await assertRefused(broker.enqueue(work("q", "lost")), /NOAUTH/);
  await broker.close();
});

for (const verb of ["enqueue", "consume"] as const) {
  test(`RedisBroker refuses to ${verb} in a database that Redis does not have`, async () => {
    await using fixture = new Fixture(server);
    const broker = fixture.open({ url: `${server.url}/99` });
    const reason = /DB index is out of range/;
    if (verb === "enqueue") await assertRefused(broker.enqueue(work("q", "lost")), reason);
    else await assertRefused(broker.consume("q").receive(1), reason);
    assertEquals(await fixture.ids("q"), []); // Database 0 would be the wrong one.
  });
}

/** Runs something while Redis is out of memory. */
async function withoutMemory(run: () => Promise<void>): Promise<void> {
  await server.command("CONFIG", "SET", "maxmemory", 1);
  try {
    await run();
  } finally {
    await server.command("CONFIG", "SET", "maxmemory", 0);
  }
}

test("RedisBroker refuses to send when Redis is out of memory, and sends when it is not", async () => {
  await using fixture = new Fixture(server);
  const broker = fixture.open();
  await broker.enqueue(work("q", 0));
  await withoutMemory(async () => {
    await assertRefused(broker.enqueue(work("q", 1)), /OOM/);
    await assertRefused(broker.enqueueMany([work("q", 2)], { delay: 1 }), /OOM/);
  });
  await broker.enqueue(work("q", 3));
  assertEquals(await fixture.firstArgs("q"), [0, 3]);
  assertEquals(await fixture.ids("q.DQ"), []);
});

test("RedisBroker works off a queue while Redis is out of memory", async () => {
  await using fixture = new Fixture(server);
  const broker = fixture.open();
  let runs = 0;
  actor((n: number) => {
    runs += 1;
    if (n % 10 === 0) throw new Error("It fails");
  }, { broker, queueName: "q", actorName: "work", maxRetries: 0 });
  await broker.enqueueMany(numbers(200).map((n) => work("q", n)));
  await withoutMemory(async () => {
    await using worker = new Worker(broker);
    await worker.start();
    await eventually("work it off", async () => {
      return await fixture.command("HLEN", fixture.key("q.msgs")) === 0;
    });
    assertEquals(await fixture.command("ZCARD", fixture.key("q.XQ")), 20);
    assertEquals(await fixture.held(broker.brokerId, "q"), 0);
    await worker.stop();
  });
  assertEquals(runs, 200);
});

test("RedisBroker gives back what it had while Redis is out of memory", async () => {
  await using fixture = new Fixture(server);
  const broker = fixture.open();
  await broker.enqueueMany(numbers(20).map((n) => work("q", n)));
  const consumer = broker.consume("q", { prefetch: 20 });
  await receiveCount(consumer, 20);
  await withoutMemory(async () => {
    await broker.close();
    assertEquals(await fixture.firstArgs("q"), numbers(20));
  });
});

test("RedisBroker counts and joins while Redis is out of memory", async () => {
  await using fixture = new Fixture(server);
  const broker = fixture.open();
  await withoutMemory(async () => {
    const counts = { ready: 0, delayed: 0, unacknowledged: 0, dead: 0 };
    assertEquals(await broker.getQueueMessageCounts("q"), counts);
    await broker.join("q");
  });
});

test("RedisBroker renews its heartbeat while Redis is out of memory", async () => {
  await using fixture = new Fixture(server);
  const clock = new FakeClock();
  const broker = fixture.open({ clock });
  const consumer = broker.consume("q");
  const waiting = consumer.receive(1);
  await untilTracking(server);
  await beat(broker, clock);
  await beat(broker, clock);
  await withoutMemory(async () => {
    const before = clock.now();
    await clock.advance(1_000);
    await eventually("renew it", async () => {
      return (await fixture.heartbeat(broker.brokerId) ?? 0) > before;
    });
  });
  await consumer.close();
  assertEquals(await waiting, []);
});

test("RedisBroker promotes delayed messages when Redis has been out of memory", async () => {
  await using fixture = new Fixture(server);
  const broker = fixture.open();
  const ran: number[] = [];
  actor((n: number) => void ran.push(n), { broker, queueName: "q", actorName: "work" });
  await broker.enqueueMany(numbers(20).map((n) => work("q", n)), { delay: 1 });
  await withEnvironment(RESTARTS_SOON, async () => {
    await using worker = new Worker(broker);
    await withoutMemory(async () => {
      await worker.start();
      await eventually("sort them", async () => (await fixture.ids("q.DQ")).length === 0);
    });
    await eventually("run them", () => Promise.resolve(ran.length >= 20));
    await worker.stop();
  });
  assertEquals(ran.toSorted((a, b) => a - b), numbers(20));
});

test("RedisBroker keeps acknowledgements until Redis takes writes again, and runs nothing twice", async () => {
  await using fixture = new Fixture(server);
  const broker = fixture.open();
  const gate = Promise.withResolvers<void>();
  const ran: number[] = [];
  actor(async (n: number) => {
    ran.push(n);
    await gate.promise;
    if (n === 2) throw new Error("It fails");
  }, { broker, queueName: "q", actorName: "work", maxRetries: 0 });
  await broker.enqueueMany(numbers(4).map((n) => work("q", n)));
  await withEnvironment(RESTARTS_SOON, async () => {
    await using worker = new Worker(broker);
    await worker.start();
    await eventually("be at work", () => Promise.resolve(ran.length === 4));
    const before = await errorsOf("NOREPLICAS");
    await server.command("CONFIG", "SET", "min-replicas-to-write", 1);
    try {
      await assertRefused(broker.enqueue(work("q", 4)), /NOREPLICAS/);
      gate.resolve();
      await eventually("be refused", async () => await errorsOf("NOREPLICAS") >= before + 5);
    } finally {
      await server.command("CONFIG", "SET", "min-replicas-to-write", 0);
    }
    await eventually("acknowledge", async () => await fixture.held(broker.brokerId, "q") === 0);
    await broker.enqueue(work("q", 5));
    await broker.join("q");
    await worker.stop();
  });
  assertEquals(ran, [0, 1, 2, 3, 5]);
  assertEquals((await broker.getQueueMessageCounts("q")).dead, 1);
});

/** Runs something while Redis is a replica of nobody. */
async function asReplica(run: () => Promise<void>): Promise<void> {
  await server.command("REPLICAOF", "127.0.0.1", 1);
  try {
    await run();
  } finally {
    await server.command("REPLICAOF", "NO", "ONE");
  }
}

test("RedisBroker refuses to send to a replica", async () => {
  await using fixture = new Fixture(server);
  const broker = fixture.open();
  await broker.enqueue(work("q", "before"));
  await asReplica(() => assertRefused(broker.enqueue(work("q", "lost")), /READONLY/));
  await broker.enqueue(work("q", "after"));
  assertEquals(await fixture.firstArgs("q"), ["before", "after"]);
});

for (const [word, stale] of [["READONLY", "yes"], ["MASTERDOWN", "no"]] as const) {
  test(`RedisBroker sends, works and goes on when Redis has answered ${word} for a while`, async () => {
    await using fixture = new Fixture(server);
    const { note, ran, worker } = await startNoting(fixture);
    await server.command("CONFIG", "SET", "replica-serve-stale-data", stale);
    let sending: Promise<unknown> | undefined;
    await asReplica(async () => {
      const before = await errorsOf(word);
      sending = note.sendMany([[1], [2]]);
      sending.catch(() => {});
      await eventually(`be answered ${word}`, async () => await errorsOf(word) > before);
    });
    await sending;
    await eventually("run them", () => Promise.resolve(ran.length >= 3));
    await note.send(3);
    await eventually("run one more", () => Promise.resolve(ran.length >= 4));
    assertEquals(ran, [0, 1, 2, 3]);
    await worker.stop();
  });
}

function declareNote(broker: RedisBroker, ran: number[]) {
  const run = (n: number) => void ran.push(n);
  return actor(run, { broker, queueName: "q", actorName: "note" });
}

/** Has a worker note what it runs, and run a first message, sent by another broker. */
async function startNoting(fixture: Fixture) {
  const [producer, consumer] = [fixture.open(), fixture.open()];
  const ran: number[] = [];
  const note = declareNote(producer, ran);
  declareNote(consumer, ran);
  const worker = fixture.use(new Worker(consumer));
  await worker.start();
  await note.send(0);
  await producer.join("q");
  return { note, ran, worker };
}

/** Number of times Redis has answered with an error. */
async function errorsOf(word: string): Promise<number> {
  const info = String(await server.command("INFO", "errorstats"));
  return Number(new RegExp(`errorstat_${word}:count=(\\d+)`).exec(info)?.[1] ?? 0);
}

test("RedisBroker sends, works and goes on when Redis has loaded its data", async () => {
  await using own = await startOwnRedis({
    // Two seconds, in which it answers.
    args: [
      ...["--key-load-delay", "2000", "--loading-process-events-interval-bytes", "1024"],
      ...["--rdbcompression", "no"],
    ],
  });
  await using fixture = new Fixture(own);
  const { note, ran, worker } = await startNoting(fixture);
  // It expects to need long when it has loaded the many, and sees the size of the large one.
  await own.command("EVAL", "for i = 1, 1000 do redis.call('SET', 'other:' .. i, i) end", 0);
  const large = "redis.call('SELECT', 1) redis.call('SET', 'large', string.rep('x', 2^23))";
  await own.command("EVAL", large, 0);
  await own.command("SAVE");
  const restarting = own.restart();
  await eventually("load", async () => {
    const info = String(await own.command("INFO", "persistence"));
    return Number(/loading_eta_seconds:(\d+)/.exec(info)?.[1]) > 10;
  });
  await note.sendMany([[1], [2]]);
  await restarting;
  await eventually("run them", () => Promise.resolve(ran.length >= 3));
  assertEquals(ran, [0, 1, 2]);
  await worker.stop();
});
