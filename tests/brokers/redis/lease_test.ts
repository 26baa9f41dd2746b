import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { assert, assertEquals, assertRejects } from "@std/assert";
import { deadline } from "@std/async";
import { actor, ConnectionClosed, Worker } from "@dq/dramatiq";
import { Lease } from "../../../core/lease.ts";
import { firstArgs, receiveCount, receiveOne, work } from "../../conformance/broker_messages.ts";
import { FakeClock } from "../../support/fake_clock.ts";
import { startProxy } from "../../support/servers/proxy.ts";
import { Monitor } from "./monitor.ts";
import { beat, eventually, Fixture, startForFile } from "./fixture.ts";
import { startWorkerProcess, takeOverFrom, withThreeInFlight } from "./lease_fixture.ts";
import type { WorkerProcessArguments } from "./worker_process.ts";

const { test, server } = await startForFile();

const MINUTE = 60_000;
const NO_HEARTBEAT = { maintenanceInterval: Infinity };

test("RedisBroker gets back what a worker had that was killed", async () => {
  await using fixture = new Fixture(server);
  const broker = fixture.open({ heartbeatTimeout: 1_000 });
  const ran: number[] = [];
  actor((n: number) => void ran.push(n), { broker, queueName: "q", actorName: "work" });
  const numbers = Array.from({ length: 20 }, (_, i) => i);
  await broker.enqueueMany(numbers.map((n) => work("q", n)));
  const folder = await mkdtemp(join(tmpdir(), "dramatiq-test-"));
  const told: WorkerProcessArguments = {
    broker: { url: server.url, namespace: fixture.namespace, heartbeatTimeout: 1_000 },
    queueName: "q",
  };
  const child = startWorkerProcess(told, join(folder, "log"));
  await using inspector = broker.inspect();
  const { pid } = child;
  /** Number of messages that the child runs, by its report. */
  const reported = async () => (await inspector.workers()).find((one) => one.pid === pid)?.running;
  try {
    // 8 run, and 8 more are in flight.
    await eventually("be at work", async () => {
      assert(child.isRunning);
      return (await broker.getQueueMessageCounts("q")).unacknowledged === 16;
    });
    await eventually("report what runs", async () => await reported() === 8);
  } finally {
    await child.kill();
    await rm(folder, { recursive: true });
  }
  // Whether or not others have noticed: its last heartbeat is too old.
  await eventually("be gone", async () => await reported() === undefined);
  await using worker = new Worker(broker);
  await worker.start();
  await eventually("run all", () => Promise.resolve(ran.length >= 20));
  await broker.join("q");
  assertEquals(ran.toSorted((a, b) => a - b), numbers);
});

test("RedisBroker fails its consumers when others have taken over, and goes on with new ones", async () => {
  await using fixture = new Fixture(server);
  await using monitor = await Monitor.open(server);
  const clock = new FakeClock();
  const broker = fixture.open({ clock });
  await broker.enqueueMany([1, 2, 3].map((n) => work("q", n)));
  const lost = broker.consume("q", { prefetch: 3 });
  const messages = await receiveCount(lost, 3);
  const delayed = broker.consume("q.DQ");
  const waiting = [lost.receive(1), delayed.receive(1)];
  const outcomes = Promise.allSettled(waiting);
  await monitor.untilWaiting(fixture.key("q.DQ")); // Any command would renew its heartbeat.
  await beat(broker, clock);
  assert(!lost.isLost);
  await takeOverFrom(broker, fixture);

  await beat(broker, clock);

  assert(lost.isLost && delayed.isLost);
  for (const outcome of await outcomes) {
    assert(outcome.status === "rejected" && outcome.reason instanceof ConnectionClosed);
  }
  await assertRejects(() => lost.receive(1), ConnectionClosed, '"q"');
  await lost.ack(messages);
  await lost.close();
  await using next = broker.consume("q", { prefetch: 3 });
  assert(!next.isLost);
  const again = await receiveCount(next, 3);
  assertEquals(firstArgs(again).toSorted(), [1, 2, 3]);
  await beat(broker, clock);
  await beat(broker, clock);
  assert(!next.isLost);
  await next.ack(again);
  assertEquals((await broker.getQueueMessageCounts("q")).unacknowledged, 0);
});

test("RedisBroker's worker starts nothing that others have taken over, and goes on", async () => {
  await using fixture = new Fixture(server);
  await using monitor = await Monitor.open(server);
  const clock = new FakeClock();
  const broker = fixture.open({ clock });
  const other = fixture.open(NO_HEARTBEAT);
  await withThreeInFlight(fixture, broker, async (ran, finish) => {
    await monitor.untilWaiting(fixture.key("q.DQ")); // Any command would renew its heartbeat.
    await beat(broker, clock);
    await takeOverFrom(broker, fixture);
    await using consumer = other.consume("q", { prefetch: 3 });
    const messages = await receiveCount(consumer, 3);

    await beat(broker, clock);
    finish();
    await clock.advance(10);
    await other.enqueue(work("q", 4));
    await eventually("go on", async () => {
      await beat(broker, clock);
      return ran.includes(4);
    });

    assertEquals(ran, [1, 4]);
    assertEquals(await fixture.held(other.brokerId, "q"), 3);
    await consumer.ack(messages);
  });
  assertEquals((await other.getQueueMessageCounts("q")).unacknowledged, 0);
});

for (const [when, beats] of [["not even the first", 0], ["after the first", 1]] as const) {
  test(`RedisBroker's worker starts nothing when no heartbeat got through for too long, ${when}`, async () => {
    await startNothingWhenCutOff(beats);
  });
}

async function startNothingWhenCutOff(beats: number): Promise<void> {
  await using proxy = await startProxy(server);
  await using fixture = new Fixture(server);
  const clock = new FakeClock();
  const url = `redis://${proxy.host}:${proxy.port}`;
  const broker = fixture.open({ clock, url });
  const other = fixture.open(NO_HEARTBEAT);
  await withThreeInFlight(fixture, broker, async (ran, finish) => {
    for (let i = 0; i < beats; i++) await beat(broker, clock);
    proxy.refuse();
    await proxy.cut();
    await clock.advance(MINUTE);
    finish();
    await clock.settle();
    const started = [...ran];
    await proxy.accept(); // Else the worker could not stop if this fails:
    assertEquals(started, [1]);

    await eventually("run the others, and what ran without being acknowledged", async () => {
      await clock.advance(100);
      const { unacknowledged, ready } = await other.getQueueMessageCounts("q");
      return new Set(ran).size === 3 && unacknowledged + ready === 0;
    });
  });
  const { unacknowledged, ready } = await other.getQueueMessageCounts("q");
  assertEquals(unacknowledged + ready, 0);
}

test("RedisBroker's worker that is stopped before its first heartbeat starts nothing it had fetched", async () => {
  await using fixture = new Fixture(server);
  const times = { heartbeatTimeout: 2_000 };
  const peer = fixture.open(times);
  const ran: number[] = [];
  actor((n: number) => void ran.push(n), { broker: peer, queueName: "q", actorName: "work" });
  const numbers = Array.from({ length: 14 }, (_, i) => i);
  await peer.enqueueMany(numbers.map((n) => work("q", n)));
  const folder = await mkdtemp(join(tmpdir(), "dramatiq-test-"));
  const log = join(folder, "log");
  const started = async () => {
    const text = await readFile(log, "utf8").catch(() => "");
    return Array.from(text.matchAll(/started (\d+)/g), ([, n]) => Number(n));
  };
  const told: WorkerProcessArguments = {
    broker: { url: server.url, namespace: fixture.namespace, ...times },
    queueName: "q",
    concurrency: 1,
    actorTime: 300,
  };
  const environment = { dramatiq_queue_prefetch: "50", dramatiq_restart_delay: "10" };
  const child = startWorkerProcess(told, log, environment);
  try {
    await eventually("start one", async () => (await started()).length > 0);
    await child.pause();
    const before = await started();
    {
      await using worker = new Worker(peer);
      await worker.start();
      await eventually("take over and run all", () => Promise.resolve(ran.length === 14));
    }
    child.signal("SIGCONT");
    await peer.enqueue(work("q", 14));
    // It comes after all that the worker had fetched.
    await eventually("go on", async () => (await started()).includes(14));
    assertEquals(await started(), [...before, 14]);
  } finally {
    await child.kill();
    await rm(folder, { recursive: true });
  }
});

test("RedisBroker's worker does not run what may be taken over while a hook was waiting", async () => {
  await using proxy = await startProxy(server);
  await using fixture = new Fixture(server);
  const clock = new FakeClock();
  const broker = fixture.open({ clock, url: `redis://${proxy.host}:${proxy.port}` });
  const [reached, gate] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
  const skipped = Promise.withResolvers<void>();
  broker.addMiddleware({
    beforeProcessMessage() {
      reached.resolve();
      return gate.promise;
    },
    afterSkipMessage: () => skipped.resolve(),
  });
  let runs = 0;
  actor(() => void (runs += 1), { broker, queueName: "q", actorName: "work" });
  await broker.enqueue(work("q", 1));
  await using worker = new Worker(broker, { timeout: 1_000 });
  await worker.start();
  await reached.promise;
  proxy.freeze(); // No heartbeat gets through.
  await clock.advance(MINUTE);
  gate.resolve();
  await deadline(skipped.promise, 10_000).finally(() => proxy.thaw());
  assertEquals(runs, 0);
  await broker.flush("q"); // It would be delivered again.
});

test("RedisBroker's consumer gives nothing of a fetch whose answer takes the heartbeat timeout", async () => {
  await using proxy = await startProxy(server);
  await using fixture = new Fixture(server);
  const clock = new FakeClock();
  const broker = fixture.open({ clock, url: `redis://${proxy.host}:${proxy.port}` });
  await broker.enqueue(work("q", 1));
  const consumer = broker.consume("q");
  proxy.freeze();
  const receiving = consumer.receive(1);
  receiving.catch(() => {}); // told below
  await clock.advance(MINUTE);
  proxy.thaw();
  await assertRejects(() => deadline(receiving, 10_000), ConnectionClosed, "taken it over");
  await consumer.close();
  assertEquals((await fixture.ids("q")).length, 1);
});

test("Lease begins with the first heartbeat, and is not healed by one that comes late", async () => {
  const clock = new FakeClock();
  const lease = new Lease(clock, MINUTE);
  const state = () => [lease.isHeld, lease.isLost];
  assertEquals(state(), [false, false]);
  const before = lease.now;
  lease.renew(before);
  clock.jump(10 * MINUTE); // The clock of the machine is set: no time has passed.
  assertEquals(state(), [true, false]);
  await clock.advance(MINUTE);
  lease.renew(lease.now); // Nobody has asked yet.
  assertEquals(state(), [false, true]);

  lease.reset();
  lease.renew(before); // An answer to one that was told of the loss.
  assertEquals(state(), [false, false]);
  await clock.advance(10);
  lease.renew(lease.now);
  lease.renew(lease.now - 5); // Answers may come in another order.
  await clock.advance(MINUTE - 1);
  assertEquals(state(), [true, false]);
  await clock.advance(1);
  assertEquals(state(), [false, true]);
});

test("RedisBroker fails its consumers when no heartbeat got through for too long", async () => {
  await using proxy = await startProxy(server);
  await using fixture = new Fixture(server);
  const clock = new FakeClock();
  const broker = fixture.open({ clock, url: `redis://${proxy.host}:${proxy.port}` });
  const consumer = broker.consume("q");
  const receiving = consumer.receive(1);
  receiving.catch(() => {});
  await broker.getQueueMessageCounts("q");
  await beat(broker, clock);
  proxy.refuse();
  await proxy.cut();
  await clock.advance(MINUTE - 1_000);
  assert(!consumer.isLost);
  await clock.advance(2_000);
  assert(consumer.isLost);
  await assertRejects(() => deadline(receiving, 10_000), ConnectionClosed, '"q"');
  await proxy.accept();
});

test("RedisBroker keeps its lease as long as its heartbeat gets through", async () => {
  await using fixture = new Fixture(server);
  const clock = new FakeClock();
  const broker = fixture.open({ clock });
  await broker.enqueue(work("q", 1));
  await using consumer = broker.consume("q");
  await receiveOne(consumer);
  for (let second = 0; second < 130; second++) await beat(broker, clock);
  assert(!consumer.isLost);
  const heartbeat = await fixture.heartbeat(broker.brokerId);
  assert(heartbeat !== undefined && heartbeat >= clock.now() - 1_000);
});
