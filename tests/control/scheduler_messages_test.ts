import { assert, assertEquals } from "@std/assert";
import {
  actor,
  Control,
  currentMessage,
  MiddlewareError,
  type StubControlStore,
  Worker,
} from "@dq/dramatiq";
import type { FakeClock } from "../support/fake_clock.ts";
import { linesOf, textOf } from "../support/log.ts";
import { eventually } from "../support/servers/until.ts";
import { test } from "../support/test.ts";
import { Fleet, SharingBroker, TwoStepBroker } from "./scheduler_fixture.ts";

test("a message that a middleware refuses is skipped, and the next tick is fired", async () => {
  await using fleet = new Fleet();
  let refuses = true;
  const broker = fleet.declare({ every: { minutes: 1 } });
  broker.addMiddleware({
    beforeEnqueue: () => {
      if (refuses) throw new MiddlewareError("not now");
    },
  });
  const lines = await linesOf({ category: ["dramatiq", "worker", "schedules"] }, async () => {
    await fleet.work(broker);
    await fleet.advance(60_000);
  });
  assert(lines.some((line) => line.level === "error" && /not now/.test(textOf(line))));
  assertEquals(fleet.take(), []);
  const [report] = await new Control(broker).schedules();
  assertEquals([report?.sent, report?.skipped], [0, 1]);
  const { sent, skipped } = broker.schedules.counts.get("nightly")!;
  assertEquals([sent, skipped], [0, 1]);
  refuses = false;
  await fleet.advance(60_000);
  assertEquals(fleet.take(), ["2026-01-05T00:02:00.000Z"]);
});

test("a message that is refused after its tick was claimed does not block its schedule", async () => {
  await using fleet = new Fleet();
  const broker = fleet.declare(
    { every: { minutes: 1 } },
    (clock, store) => new TwoStepBroker(clock, store),
  );
  let refuses = true;
  broker.addMiddleware({
    beforeEnqueue: () => {
      if (refuses) throw new MiddlewareError("not now");
    },
  });
  await fleet.work(broker);
  await fleet.advance(60_000);
  refuses = false;
  await fleet.advance(60_000);
  assertEquals(fleet.take(), ["2026-01-05T00:02:00.000Z"]);
  const [report] = await new Control(broker).schedules();
  assertEquals([report?.sent, report?.skipped], [1, 1]);
});

test("messages of schedules are sent although a unique message of the same actor waits", async () => {
  for (const Class of [SharingBroker, TwoStepBroker]) {
    await using fleet = new Fleet();
    const broker = new Class(fleet.clock, fleet.store);
    const runs: unknown[] = [];
    const sync = actor(() => void runs.push(currentMessage()!.options["periodic"] !== undefined), {
      broker,
      actorName: "sync",
      unique: true,
      every: { minutes: 1 },
    });
    await fleet.work(broker);
    await new Control(broker).pause({ queue: "default" });
    await fleet.clock.settle();
    assertEquals((await sync.send()).isDuplicate, false);
    await fleet.advance(60_000);
    await new Control(broker).resume({ queue: "default" });
    await fleet.advance(1_000);
    assertEquals(runs.toSorted(), [false, true], Class.name);
    await broker.close();
  }
});

test('a message that is refused while overlap: "queue" keeps its tick is skipped', async () => {
  await using fleet = new Fleet();
  const gate = Promise.withResolvers<void>();
  const broker = new SharingBroker(fleet.clock, fleet.store);
  let runs = 0;
  actor(async () => {
    runs += 1;
    await gate.promise;
  }, {
    broker,
    actorName: "slow",
    maxRetries: 0,
    every: { interval: { minutes: 1 }, overlap: "queue" },
  });
  const worker = await fleet.work(broker);
  await fleet.advance(120_000);
  broker.addMiddleware({
    beforeEnqueue: () => {
      throw new MiddlewareError("not now");
    },
  });
  gate.resolve();
  await fleet.advance(1_000);
  const [report] = await new Control(broker).schedules();
  assertEquals([runs, report?.sent, report?.skipped], [1, 1, 1]);
  await worker.stop();
  await broker.close();
});

test("a tick whose worker dies before it publishes is published by another one", async () => {
  await using fleet = new Fleet();
  const make = (clock: FakeClock, store: StubControlStore) => new TwoStepBroker(clock, store);
  const dying = fleet.declare({ every: { minutes: 1 } }, make);
  const publishing = Promise.withResolvers<void>();
  dying.addMiddleware({
    beforeEnqueue: () => {
      publishing.resolve();
      return new Promise<void>(() => {}); // for ever
    },
  });
  const worker = await fleet.work(dying);
  await fleet.advance(60_000);
  await publishing.promise;
  const other = fleet.declare({ every: { minutes: 1 } }, make);
  await fleet.work(other);
  await fleet.advance(9_000);
  assertEquals(fleet.take(), []);
  await fleet.advance(1_001);
  assertEquals(fleet.take(), ["2026-01-05T00:01:00.000Z"]);
  await fleet.advance(50_000);
  assertEquals(fleet.take(), ["2026-01-05T00:02:00.000Z"]);
  assertEquals(worker.outcomes.done, 0);
});

test("a message of a tick that is stored twice runs once", async () => {
  await using fleet = new Fleet();
  for (const overlap of ["skip", "allow"] as const) {
    const broker = fleet.declare(
      { every: { interval: { minutes: 1 }, name: overlap, overlap } },
      (clock, store) => new TwoStepBroker(clock, store),
    );
    broker.copies = 2;
    const worker = new Worker(broker, { concurrency: 1 });
    await worker.start();
    const tick = async () => (await fleet.store.read(`tick/${overlap}`)).entries.length;
    await eventually("begin", async () => await tick() > 0);
    await fleet.advance(60_000);
    assertEquals([fleet.take().length, worker.outcomes.skipped], [1, 1]);
    await worker.stop();
  }
});

test("a message without updates for an hour counts as finished", async () => {
  await using fleet = new Fleet();
  const broker = fleet.declare({ cron: "*/30 * * * *" });
  await fleet.work(broker);
  await new Control(broker).pause({ queue: "default" });
  await fleet.advance(30 * 60_000);
  await broker.flush("default");
  await new Control(broker).resume({ queue: "default" });
  await fleet.advance(30 * 60_000);
  assertEquals(fleet.take(), []);
  await fleet.advance(30 * 60_000);
  assertEquals(fleet.take(), ["2026-01-05T01:30:00.000Z"]);
});

test("a message that runs for hours has not finished until it does", async () => {
  const end = Promise.withResolvers<void>();
  await using fleet = new Fleet();
  const broker = fleet.declare({ cron: "*/30 * * * *" });
  broker.addMiddleware({ afterProcessMessage: () => end.promise });
  await fleet.work(broker);
  for (let i = 0; i < 6; i++) await fleet.advance(30 * 60_000);
  assertEquals(fleet.take(), ["2026-01-05T00:30:00.000Z"]);
  end.resolve();
  await fleet.clock.settle();
  await fleet.advance(30 * 60_000);
  assertEquals(fleet.take(), ["2026-01-05T03:30:00.000Z"]);
});
