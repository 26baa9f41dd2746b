import { assert, assertEquals, assertThrows } from "@std/assert";
import {
  actor,
  type Broker,
  ConnectionFailed,
  Control,
  type ControlStore,
  currentMessage,
  type Message,
  type Middleware,
  MiddlewareError,
  RabbitmqBroker,
  schedule,
  StubBroker,
  StubControlStore,
  Worker,
} from "@dq/dramatiq";
import type { PeriodicMessage, PeriodicTimes } from "@dq/dramatiq/control";
import { TickEntry } from "../../control/tick_entry.ts";
import { StoreClock } from "../../control/store_clock.ts";
import { FakeClock } from "../support/fake_clock.ts";
import { linesOf, textOf } from "../support/log.ts";
import { eventually } from "../support/servers/until.ts";
import { test } from "../support/test.ts";

const DAY = 86_400_000;
/** Midnight, UTC. */
const START = Date.parse("2026-01-05");

/** A broker that shares nothing but its control store with others: another process. */
class SharingBroker extends StubBroker {
  readonly #shared: StubControlStore;

  constructor(clock: FakeClock, shared: StubControlStore, middleware?: Middleware[]) {
    super({ clock, failFast: false, ...(middleware && { middleware }) });
    this.#shared = shared;
  }

  override get controlStore(): StubControlStore {
    return this.#shared;
  }
}

/** A broker whose control store is elsewhere, as that of RabbitMQ. */
class TwoStepBroker extends SharingBroker {
  override readonly storesWithChanges: boolean = false;
  /** Number of times that each message is stored; 0 for a failure on the way. */
  copies = 1;

  protected override store(messages: readonly Message[]): void {
    for (let i = 0; i < this.copies; i++) super.store(messages);
  }
}

/** Workers that share a control store, and what their actors were sent. */
class Fleet implements AsyncDisposable {
  readonly clock: FakeClock;
  readonly store: StubControlStore;
  /** Names and ticks of the messages that ran, as texts. */
  readonly runs: string[] = [];
  readonly #opened: AsyncDisposable[] = [];

  constructor(start: number = START) {
    this.clock = new FakeClock(start);
    this.store = new StubControlStore({ clock: this.clock });
  }

  /** Declares an actor on a broker of its own. */
  declare<B extends SharingBroker = SharingBroker>(
    times: PeriodicTimes,
    make: (clock: FakeClock, store: StubControlStore) => B = (clock, store) =>
      new SharingBroker(clock, store) as B,
  ): B {
    const broker = make(this.clock, this.store);
    this.#opened.push(broker);
    actor((..._args: unknown[]) => {
      const { tick } = currentMessage()!.options["periodic"] as PeriodicMessage;
      this.runs.push([...currentMessage()!.args, new Date(tick).toISOString()].join(" "));
    }, { broker, actorName: "nightly", maxRetries: 0, ...times });
    return broker;
  }

  /** Starts a worker, and waits until it fires. */
  async work(broker: Broker): Promise<Worker> {
    const worker = new Worker(broker);
    this.#opened.push(worker);
    await worker.start();
    const isLearned = async () => {
      const { entries } = await this.store.read(`worker/${worker.id}`);
      const { schedules } = entries[0]?.value as { schedules?: string };
      const names = broker.schedules.all.map(({ name }) => `tick/${name}`);
      const ticks = (await this.store.read("tick/")).entries.map(({ key }) => key);
      return schedules !== undefined && names.every((name) => ticks.includes(name));
    };
    await eventually("begin to fire", isLearned);
    await this.clock.settle();
    return worker;
  }

  /** Moves the time, and waits until all that was sent has run. */
  async advance(ms: number): Promise<void> {
    await this.clock.advance(ms);
    await this.clock.settle();
  }

  /** Takes the runs, oldest first. */
  take(): string[] {
    return this.runs.splice(0).toSorted();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const one of this.#opened.reverse()) await one[Symbol.asyncDispose]();
    await this.store.close();
  }
}

test("Worker fires a pattern at its time in its zone, and not before", async () => {
  await using fleet = new Fleet(Date.parse("2026-03-29T00:59:00Z"));
  const broker = fleet.declare({ cron: { pattern: "30 2,3 * * *", timeZone: "Europe/Berlin" } });
  await fleet.work(broker);
  await fleet.advance(30 * 60_000 + 59_999); // half past two is left out that night
  assertEquals(fleet.take(), []);
  await fleet.advance(1);
  assertEquals(fleet.take(), ["2026-03-29T01:30:00.000Z"]);
});

test("Worker begins with now: a new schedule never fires the past", async () => {
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

test("a pattern that was changed begins with now, and changed arguments lose nothing", async () => {
  await using fleet = new Fleet();
  await (await fleet.work(fleet.declare({ cron: { pattern: "0 3 * * *", args: ["old"] } }))).stop();
  await fleet.advance(4 * 3_600_000);
  const changed = await fleet.work(
    fleet.declare({ cron: { pattern: "0 3 * * *", args: ["new"] } }),
  );
  await fleet.advance(1);
  assertEquals(fleet.take(), ["new 2026-01-05T03:00:00.000Z"]);
  await changed.stop();
  await fleet.work(fleet.declare({ cron: { pattern: "30 3 * * *", args: ["later"] } }));
  await fleet.advance(1);
  assertEquals(fleet.take(), []);
});

test("a pattern that was changed while all workers were dead begins with now", async () => {
  await using fleet = new Fleet();
  const value = { tick: START, timing: "0 3 * * * UTC", sent: 0, skipped: 0 };
  const schedules = fleet.declare({ cron: "0 3 * * *" }).schedules.all;
  await fleet.store.change([
    { key: "specs/old", value: JSON.parse(JSON.stringify(schedules)) },
    { key: "boot/old", value: { worker: "killed", bootedAt: START } },
    { key: "tick/nightly", value },
  ]);
  await fleet.advance(5 * 3_600_000);
  await fleet.work(fleet.declare({ cron: "0 4 * * *" }));
  await fleet.advance(1);
  assertEquals(fleet.take(), []);
});

test("an outage of the control store is logged once, and what was missed is sent", async () => {
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

test("a schedule whose entry is lost begins with now, whatever the version of the next one", async () => {
  await using fleet = new Fleet();
  await fleet.work(fleet.declare({ every: { minutes: 1 } }));
  await fleet.advance(60_000);
  await fleet.store.change([{ key: "tick/nightly", value: null }]);
  await fleet.advance(90_000);
  assertEquals(fleet.take(), ["2026-01-05T00:01:00.000Z"]);
  await fleet.advance(30_000);
  assertEquals(fleet.take(), ["2026-01-05T00:03:00.000Z"]);

  // A file that was replaced counts versions anew.
  const entry = new TickEntry("nightly");
  const value = { tick: START, timing: "every 60000" };
  assertEquals(entry.learn({ key: entry.key, value, version: 900 }), true);
  assertEquals(entry.learn({ key: entry.key, value, version: 5 }), false);
  entry.replace({ key: entry.key, value, version: 5 });
  assertEquals([entry.version, entry.state?.tick], [5, START]);
  assertEquals(entry.changeTo(entry.state!, 0).ifVersion, 5);
});

test("of two definitions the younger one fires, and the other one again when it is gone", async () => {
  await using fleet = new Fleet();
  const old = fleet.declare({ every: { interval: { minutes: 1 }, args: ["old"] } });
  await fleet.work(old);
  await fleet.advance(60_000);
  assertEquals(fleet.take(), ["old 2026-01-05T00:01:00.000Z"]);
  const young = await fleet.work(
    fleet.declare({ every: { interval: { seconds: 90 }, args: ["new"] } }),
  );
  await fleet.advance(120_000);
  assertEquals(fleet.take(), ["new 2026-01-05T00:01:30.000Z", "new 2026-01-05T00:03:00.000Z"]);
  await young.stop();
  await fleet.advance(60_000);
  assertEquals(fleet.take(), ["old 2026-01-05T00:04:00.000Z"]);
});

test("what was due after a killed worker was last seen is fired by the old definition", async () => {
  await using fleet = new Fleet();
  const old = fleet.declare({ cron: { pattern: "1 * * * *", args: ["old"] } });
  await fleet.work(old);
  await fleet.advance(5_000);
  // As a worker of a new release leaves it that is killed at once.
  const schedules = [{ ...old.schedules.all[0]!, cron: "30 * * * *", args: ["new"] }];
  const seenAt = fleet.clock.now();
  const worker = { schedules: "digest", bootedAt: seenAt, seenAt };
  await fleet.store.change([
    { key: "specs/digest", value: JSON.parse(JSON.stringify(schedules)) },
    { key: "worker/killed", value: worker, ttl: 60_000 },
    { key: "boot/digest", value: { worker: "killed", bootedAt: seenAt } },
    {
      key: "tick/nightly",
      value: { tick: seenAt, timing: "30 * * * * UTC", sent: 0, skipped: 0 },
    },
  ]);
  await fleet.advance(56_000);
  assertEquals(fleet.take(), []);
  await fleet.advance(30_000);
  assertEquals(fleet.take(), ["old 2026-01-05T00:01:00.000Z"]);
});

test("a clock of the store that is set back fires nothing twice, one set forward misses", async () => {
  await using fleet = new Fleet();
  const broker = fleet.declare({ every: { minutes: 1 } });
  await fleet.work(broker);
  await fleet.advance(60_000);
  assertEquals(fleet.take(), ["2026-01-05T00:01:00.000Z"]);
  fleet.clock.jump(-50_000);
  await fleet.advance(60_000);
  assertEquals(fleet.take(), []);
  await fleet.advance(50_000);
  assertEquals(fleet.take(), ["2026-01-05T00:02:00.000Z"]);
  fleet.clock.jump(600_000);
  await fleet.advance(60_000);
  assertEquals(fleet.take()[0], "2026-01-05T00:12:00.000Z");
});

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

test("a message that is refused after its tick was claimed holds up nothing", async () => {
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

test("messages of schedules are sent beside unique ones of the same actor", async () => {
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

test("a worker without schedules has no middleware, timer or command more", async () => {
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

test("StoreClock keeps what it knew when an answer was read late", async () => {
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

test("actor refuses schedules that make no sense, and names itself, the reason and the value", () => {
  const broker = new StubBroker();
  const every = (options: object) => ({ every: { interval: 1_000, ...options } });
  const faults: [times: unknown, type: typeof TypeError | typeof RangeError, part: string][] = [
    [{ cron: "* * * * *", every: 1_000 }, TypeError, "needs a name of its own"],
    [{ cron: 5 }, TypeError, "is 5"],
    [{ cron: { pattern: 5 } }, TypeError, "its pattern is 5"],
    [{ cron: "61 * * * *" }, RangeError, '"61 * * * *": its minute 61'],
    [{ cron: "0 0 30 2 *" }, RangeError, "never occurs"],
    [{ cron: "a text" }, TypeError, "a text"],
    [
      { cron: { pattern: "* * * * *", timeZone: "Mars/Olympus" } },
      RangeError,
      '"Mars/Olympus"',
    ],
    [{ cron: { pattern: "* * * * *", timeZone: 1 } }, TypeError, "its timeZone is 1"],
    [{ cron: { cron: "* * * * *" } }, TypeError, "cron (here: pattern)"],
    [{ every: -5 }, RangeError, "its every is -5 ms"],
    [{ every: 99 }, RangeError, "99 ms, and must be a whole number of milliseconds, 100 or more"],
    [{ every: 100.5 }, RangeError, "100.5"],
    [{ every: NaN }, RangeError, "NaN"],
    [{ every: "10s" }, TypeError, "10s"],
    [{ every: { interval: "10s" } }, TypeError, "10s"],
    [every({ timeZone: "UTC" }), TypeError, "timeZone"],
    [every({ missed: "twice" }), TypeError, 'its missed is "twice", not one of one'],
    [every({ overlap: true }), TypeError, "its overlap is true"],
    [every({ jitter: -1 }), RangeError, "its jitter is -1"],
    [every({ grace: -1 }), RangeError, "its grace is -1"],
    [every({ args: "eu" }), TypeError, 'its args are "eu"'],
    [every({ args: [1n] }), TypeError, "cannot be written as JSON"],
    [every({ name: "" }), TypeError, 'has the name ""'],
    [{ every: [] }, TypeError, "its every is an empty list"],
    [{ cron: [] }, TypeError, "its cron is an empty list"],
    [{ every: [1_000, 2_000] }, TypeError, "needs a name of its own"],
    [
      {
        every: [{ name: "a", interval: 1_000 }, { name: "a", interval: 2_000 }],
      },
      TypeError,
      '"a"',
    ],
    [{ cron: null }, TypeError, "null"],
    [{ every: null }, TypeError, "null"],
    [{ every: [null] }, TypeError, "null"],
    [{ cron: [5] }, TypeError, "5"],
  ];
  for (const [times, type, part] of faults) {
    const declare = () => actor(() => {}, { broker, actorName: "bad", ...times as PeriodicTimes });
    assertThrows(declare, type, part);
    assertThrows(declare, type, '"bad"');
  }
  assertEquals([broker.schedules.size, broker.actors.size], [0, 0]);
});

test("schedules of one name are refused, of actors and of peers", () => {
  const broker = new StubBroker();
  actor(() => {}, { broker, actorName: "first", every: 1_000 });
  const second = () =>
    actor(() => {}, { broker, actorName: "second", every: { interval: 1_000, name: "first" } });
  assertThrows(second, TypeError, 'taken by one of actor "first"');
  const peer = () => schedule({ broker, actorName: "first", every: 1_000 });
  assertThrows(peer, TypeError, 'taken by one of actor "first"');
  assertThrows(
    () => schedule({ broker, actorName: "peer", every: { interval: 1_000, overlap: "skip" } }),
    TypeError,
    'only "allow"',
  );
  assertThrows(() => schedule({ broker, actorName: "", every: 1_000 }), TypeError, "needs a name");
});

test("RabbitmqBroker without a control store refuses periodic actors, and says what to add", () => {
  const broker = new RabbitmqBroker();
  const declare = () => actor(() => {}, { broker, actorName: "nightly", every: 1_000 });
  assertThrows(declare, TypeError, 'Cannot run actor "nightly" periodically');
  assertThrows(
    declare,
    TypeError,
    "new RabbitmqBroker({ control: new RedisControlStore({ url }) })",
  );
  const store: ControlStore | undefined = broker.controlStore;
  assertEquals([store, broker.actors.size], [undefined, 0]);
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
