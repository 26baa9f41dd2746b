import { assert, assertEquals } from "@std/assert";
import { actor, ConnectionFailed, Control, schedule, StubControlStore, Worker } from "@dq/dramatiq";
import { StoreClock } from "../../control/store_clock.ts";
import { FakeClock } from "../support/fake_clock.ts";
import { linesOf, textOf } from "../support/log.ts";
import { eventually } from "../support/servers/until.ts";
import { test } from "../support/test.ts";
import { DAY, Fleet, SharingBroker, START } from "./scheduler_fixture.ts";

test("Worker fires a pattern at its time in its zone, and not before", async () => {
  await using fleet = new Fleet(Date.parse("2026-03-29T00:59:00Z"));
  const broker = fleet.declare({ cron: { pattern: "30 2,3 * * *", timeZone: "Europe/Berlin" } });
  await fleet.work(broker);
  await fleet.advance(30 * 60_000 + 59_999); // half past two is left out that night
  assertEquals(fleet.take(), []);
  await fleet.advance(1);
  assertEquals(fleet.take(), ["2026-03-29T01:30:00.000Z"]);
});

test("Worker starts a new schedule now and never fires past ticks", async () => {
  await using fleet = new Fleet();
  await fleet.work(fleet.declare({ cron: { pattern: "0 0 * * *", missed: "all" } }));
  await fleet.advance(60_000);
  assertEquals(fleet.take(), []);
});

test('missed: "one" sends one late message, for the latest time', async () => {
  await using fleet = new Fleet();
  const broker = fleet.declare({ cron: "0 3 * * *" });
  await (await fleet.work(broker)).stop();
  await fleet.advance(3 * DAY + 1);
  await fleet.work(broker);
  await fleet.advance(1);
  assertEquals(fleet.take(), ["2026-01-07T03:00:00.000Z"]);
});

test('missed: "skip" sends none that is more than grace late', async () => {
  await using fleet = new Fleet();
  const broker = fleet.declare({
    cron: { pattern: "0 3 * * *", missed: "skip", grace: { minutes: 5 } },
  });
  await (await fleet.work(broker)).stop();
  await fleet.advance(3 * 3_600_000 + 300_000);
  const worker = await fleet.work(broker);
  await fleet.advance(0);
  assertEquals(fleet.take(), ["2026-01-05T03:00:00.000Z"]);
  await worker.stop();
  await fleet.advance(DAY + 1);
  await fleet.work(broker);
  await fleet.advance(1);
  assertEquals(fleet.take(), []);
  const [report] = await new Control(broker).schedules();
  assertEquals([report?.sent, report?.skipped], [1, 1]);
});

test('missed: "all" sends each, the oldest first, and after 100 goes on from now', async () => {
  await using fleet = new Fleet();
  const broker = fleet.declare({ cron: { pattern: "0 3 * * *", missed: "all", overlap: "allow" } });
  await (await fleet.work(broker)).stop();
  await fleet.advance(5 * DAY);
  const worker = await fleet.work(broker);
  await fleet.advance(1);
  assertEquals(fleet.take().map((tick) => tick.slice(0, 10)), [
    "2026-01-05",
    "2026-01-06",
    "2026-01-07",
    "2026-01-08",
    "2026-01-09",
  ]);
  await worker.stop();
  await fleet.advance(150 * DAY);
  const lines = await linesOf({ category: ["dramatiq", "worker", "schedules"] }, async () => {
    await fleet.work(broker);
    await fleet.advance(1);
    await eventually("catch up", () => fleet.runs.length >= 100);
    await fleet.advance(1);
  });
  assertEquals(fleet.runs.length, 100);
  assertEquals(fleet.take()[99], "2026-04-19T03:00:00.000Z");
  const warnings = lines.filter(({ level }) => level === "warning").map(textOf);
  assert(warnings.length === 1 && /100 of them were made up/.test(warnings[0]!), warnings.join());
});

test("an outage of the control store is logged once, and missed ticks are sent", async () => {
  await using fleet = new Fleet();
  const broker = fleet.declare({ every: { minutes: 1 } });
  schedule({ broker, actorName: "nightly", every: { interval: { minutes: 1 }, name: "second" } });
  const { store } = fleet;
  const [change, read] = [store.change, store.read];
  const lines = await linesOf({ category: ["dramatiq", "worker", "schedules"] }, async () => {
    await fleet.work(broker);
    const isUnavailable = () => Promise.reject(new ConnectionFailed("away"));
    Object.assign(store, { change: isUnavailable, read: isUnavailable });
    await fleet.advance(90_000);
    Object.assign(store, { change, read });
    await fleet.advance(20_000);
  });
  assertEquals(fleet.take(), ["2026-01-05T00:01:00.000Z", "2026-01-05T00:01:00.000Z"]);
  const texts = lines.map(textOf).filter((text) => /away|again/.test(text));
  assertEquals(texts.length, 2, texts.join("\n"));
});

test("a schedule that is declared while a worker is running is fired, too", async () => {
  await using fleet = new Fleet();
  const broker = new SharingBroker(fleet.clock, fleet.store);
  const worker = new Worker(broker);
  await worker.start();
  const ran: unknown[] = [];
  actor(() => void ran.push(1), { broker, actorName: "late", every: 60_000 });
  await eventually("begin", async () => (await fleet.store.read("tick/late")).entries.length > 0);
  actor(() => void ran.push(2), { broker, actorName: "later", every: 60_000 });
  await eventually("begin", async () => (await fleet.store.read("tick/later")).entries.length > 0);
  await fleet.advance(60_000);
  assertEquals(ran.toSorted(), [1, 2]);
  await worker.stop();
  await broker.close();
});

test("a worker without schedules has no additional middleware, timers or commands", async () => {
  const calls: string[] = [];
  const counted = (store: StubControlStore): StubControlStore => {
    for (const verb of ["read", "change", "watch"] as const) {
      const original = store[verb].bind(store) as (...args: unknown[]) => unknown;
      Object.assign(store, {
        [verb]: (...args: unknown[]) => {
          calls.push(verb);
          return original(...args);
        },
      });
    }
    return store;
  };
  const clock = new FakeClock(START);
  const broker = new SharingBroker(clock, counted(new StubControlStore({ clock })));
  const middleware = broker.middleware.length;
  actor(() => {}, { broker, actorName: "plain" });
  const worker = new Worker(broker);
  await worker.start();
  await clock.settle();
  // What cancelling, pausing and resizing need, and the list of workers.
  assertEquals(calls.toSorted(), ["change", "read", "read", "read", "watch"]);
  assertEquals(broker.middleware.length, middleware + 1); // watches for queues
  await clock.advance(DAY);
  assertEquals(calls.length, 5);
  assertEquals(clock.pendingTimers, 0);
  await worker.stop();
  await broker.close();
});

test("StoreClock keeps its estimate when a reply is read late", async () => {
  const clock = new FakeClock(START);
  let ahead = 5_000;
  const time = new StoreClock(clock);
  const ask = (delay: number) =>
    time.ask(async () => {
      const now = clock.now() + ahead;
      await clock.advance(delay);
      return { now };
    });
  await ask(0);
  assertEquals(time.now - clock.now(), 5_000);
  await ask(60_000); // suspended between command and answer
  assertEquals(time.now - clock.now(), 5_000);
  ahead = -300_000;
  await ask(0);
  assertEquals(time.now - clock.now(), -300_000);
});

test('missed: "all" loses nothing while it is behind for long, a little each time', async () => {
  await using fleet = new Fleet();
  const broker = fleet.declare({ every: { interval: 100, missed: "all", overlap: "allow" } });
  // Each command takes an interval: what was behind stays so.
  const { store } = fleet;
  const change = store.change.bind(store);
  await fleet.work(broker);
  let calls = 0;
  store.change = async (changes) => {
    const outcome = await change(changes);
    if (outcome.applied && calls++ < 300) fleet.clock.jump(100);
    return outcome;
  };
  fleet.clock.jump(300);
  await fleet.advance(1_000);
  await eventually("catch up", () => calls > 300);
  await fleet.advance(1_000);
  const ticks = fleet.take().map((tick) => Date.parse(tick));
  assertEquals(ticks, ticks.map((_, i) => ticks[0]! + i * 100));
  assert(ticks.length > 300, `${ticks.length}`);
});
