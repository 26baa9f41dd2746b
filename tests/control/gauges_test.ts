import { setTimeout as delay } from "node:timers/promises";
import { assertEquals, assertRejects } from "@std/assert";
import { readGauges } from "../../control/broker_gauges.ts";
import { GaugeReader } from "../../control/gauge_reader.ts";
import { readEntries, readWorkers } from "../../control/workers.ts";
import { gaugesText } from "../../platform/gauges.ts";
import { actor, Broker, ConnectionFailed, Control, StubBroker, Worker } from "@dq/dramatiq";
import type { Inspector } from "@dq/dramatiq/core";
import { readExposition } from "../middleware/prometheus/exposition_text.ts";
import { FakeClock } from "../support/fake_clock.ts";
import { withLog } from "../support/log.ts";
import { test } from "../support/test.ts";
import { Fleet, SharingBroker, START, TwoStepBroker } from "./scheduler_fixture.ts";

const READING = {
  signal: new AbortController().signal,
  leftOut: (error: unknown): undefined => {
    throw error;
  },
};

/** The gauges of a broker, parsed as Prometheus would. */
async function gaugesOf(broker: Broker): Promise<Record<string, number>> {
  await using inspector = broker.inspect();
  const gauges = await readGauges(broker, inspector, READING);
  return Object.fromEntries(readExposition(gaugesText(gauges)).samples);
}

/** Seconds by which schedules are late, by name. */
async function delaysOf(broker: Broker): Promise<Record<string, number>> {
  const gauges = Object.entries(await gaugesOf(broker));
  return Object.fromEntries(gauges.flatMap(([key, value]) => {
    const [, name] = /^dramatiq_schedule_due_seconds\{schedule="(.*)"\}$/.exec(key) ?? [];
    return name === undefined ? [] : [[name, value]];
  }));
}

test("Gauges count messages, their ages, workers, and the longest running message of each actor", async () => {
  const clock = new FakeClock();
  const messageTimestamp = clock.now();
  await using broker = new StubBroker({ clock });
  const release = Promise.withResolvers<void>();
  const hang = actor(() => release.promise, { broker, queueName: "mails", actorName: 'a"b\r' });
  const late = actor(() => {}, { broker, queueName: "reports", actorName: "late" });
  await new Control(broker).pause({ queue: "later" });
  await using worker = new Worker(broker, { queues: ["mails"], concurrency: 3 });
  await worker.start();
  await hang.send();
  await broker.enqueue(late.message().copy({ messageTimestamp }));
  await late.sendWithOptions({ delay: 600_000 });
  await clock.settle();
  await gaugesOf(broker); // a message counts as running from the first poll
  await clock.advance(41_000);

  const gauges = await gaugesOf(broker);
  release.resolve();

  const queue = (name: string, state: string) =>
    gauges[`dramatiq_queue_messages{queue_name="${name}",state="${state}"}`];
  assertEquals([queue("mails", "ready"), queue("mails", "unacknowledged")], [0, 1]);
  assertEquals([queue("reports", "ready"), queue("reports", "delayed")], [1, 1]);
  assertEquals([queue("reports", "dead"), queue("later", "ready")], [0, undefined]);
  const others = Object.entries(gauges).filter(([key]) => !key.includes("queue_messages"));
  assertEquals(Object.fromEntries(others), {
    'dramatiq_queue_oldest_seconds{queue_name="mails"}': 0,
    'dramatiq_queue_oldest_seconds{queue_name="reports"}': 41,
    'dramatiq_queue_paused{queue_name="later"}': 1,
    'dramatiq_queue_paused{queue_name="mails"}': 0,
    'dramatiq_queue_paused{queue_name="reports"}': 0,
    'dramatiq_workers{state="working"}': 1,
    'dramatiq_workers{state="quiet"}': 0,
    'dramatiq_workers{state="stopping"}': 0,
    'dramatiq_workers{state="silent"}': 0,
    "dramatiq_worker_slots{}": 3,
    "dramatiq_worker_slots_in_use{}": 1,
    'dramatiq_running_oldest_seconds{actor_name="a\\"b\ufffd"}': 41,
  });
});

test("Gauges show how late a schedule without workers is, and omit a paused one", async () => {
  await using fleet = new Fleet();
  const broker = fleet.declare({ every: 60_000 });
  assertEquals(await delaysOf(broker), {}, "no worker has begun it");
  const worker = await fleet.work(broker);
  await fleet.clock.advance(90_000);
  assertEquals(await delaysOf(broker), { nightly: 0 });
  await worker.stop();
  await fleet.clock.advance(START + 250_000 - fleet.clock.now());
  assertEquals(await delaysOf(broker), { nightly: 250 - 120 });
  await new Control(broker).pauseSchedule("nightly");
  assertEquals(await delaysOf(broker), {});
});

test("Gauges read schedules only once this process or a worker elsewhere has one", async () => {
  await using fleet = new Fleet();
  class Looking extends SharingBroker {
    override inspect(): Inspector {
      return Object.assign(super.inspect(), { workers: () => readEntries(fleet.store) });
    }
  }
  await using looking = new Looking(fleet.clock, fleet.store);
  const reads: unknown[] = [];
  const { read } = fleet.store;
  fleet.store.read = (selection) => {
    reads.push(selection);
    return read.call(fleet.store, selection);
  };
  assertEquals(await delaysOf(looking), {});
  assertEquals(reads, ["worker/", "pause/"]);
  await fleet.work(fleet.declare({ every: 60_000 }));
  assertEquals(await delaysOf(looking), { nightly: 0 });
});

test("Gauges count a schedule as late whose message is still being published", async () => {
  class Stuck extends TwoStepBroker {
    protected override store(): void {
      throw new ConnectionFailed("away", { delivery: "none" });
    }
  }
  await using fleet = new Fleet();
  const broker = fleet.declare({ every: 60_000 }, (clock, store) => new Stuck(clock, store));
  await fleet.work(broker);
  await fleet.clock.advance(60_000 + 45_000);
  assertEquals(await delaysOf(broker), { nightly: 45 });
});

/** A broker whose answers the test controls. */
class Remote extends StubBroker {
  answer: () => Promise<never> | undefined = () => undefined;
  opened = 0;
  closed = 0;

  override inspect(): Inspector {
    this.opened += 1;
    const inspector = super.inspect();
    const overview = inspector.overview.bind(inspector);
    return Object.assign(inspector, {
      overview: () => this.answer() ?? overview(),
      [Symbol.asyncDispose]: () => Promise.resolve(void (this.closed += 1)),
    });
  }
}

test("GaugeReader reports only that the broker is down, and logs an outage once", async () => {
  await using broker = new Remote();
  broker.declareQueue("mails");
  const up = async (answer: Remote["answer"]) => {
    broker.answer = answer;
    const gauges = await new GaugeReader(broker).read();
    return gauges.map(({ name, samples }) => samples.length === 0 ? name : samples[0]!.value);
  };
  await withLog({ category: ["dramatiq", "metrics"] }, async (lines) => {
    assertEquals(await up(() => Promise.reject(new ConnectionFailed("away"))), [0]);
    assertEquals(await up(() => Promise.reject(new RangeError("not allowed"))), [1]);
    assertEquals(lines.map(({ level }) => level), ["warning", "warning"]);
    assertEquals((await up(() => undefined))[0], 1);
    assertEquals(lines.length, 2);
  });
  assertEquals([broker.opened, broker.closed], [3, 3]);
});

test("GaugeReader waits two seconds for the broker, and shares one reading among callers", async () => {
  await using broker = new Remote();
  let asked = 0;
  broker.answer = () => {
    asked += 1;
    return new Promise<never>(() => {});
  };
  const reader = new GaugeReader(broker);
  const readings = await Promise.all([reader.read(), reader.read(), reader.read()]);
  for (const [up, ...others] of readings) {
    assertEquals([up!.samples[0]!.value, others], [0, []]);
  }
  assertEquals([asked, broker.opened, broker.closed], [1, 1, 1]);
});

test("GaugeReader starts no reading while a part of an earlier one has not settled", async () => {
  await using broker = new StubBroker();
  const store = broker.controlStore;
  const gate = Promise.withResolvers<void>();
  let reads = 0;
  const read = store.read.bind(store);
  store.read = async (selection) => {
    reads += 1;
    await gate.promise;
    return await read(selection);
  };
  const { now } = performance;
  const start = performance.now();
  let later = 0;
  performance.now = () => start + later;
  try {
    for (const fails of [false, true]) {
      const opened = new Remote();
      Object.defineProperty(opened, "controlStore", { value: store });
      if (fails) opened.answer = () => Promise.reject(new ConnectionFailed("away"));
      const reader = new GaugeReader(opened, { timeout: 100 });
      const before = reads;
      assertEquals((await reader.read())[0]!.samples[0]!.value, 0);
      later += 6_000;
      assertEquals((await reader.read())[0]!.samples[0]!.value, 0);
      assertEquals(reads - before, 1);
      if (!fails) continue;
      opened.answer = () => undefined;
      gate.resolve();
      await delay(0);
      assertEquals((await reader.read())[0]!.samples[0]!.value, 1);
    }
  } finally {
    performance.now = now;
  }
});

test("GaugeReader does not wait for an inspector that never closes", async () => {
  class Hanging extends StubBroker {
    override inspect(): Inspector {
      return Object.assign(super.inspect(), {
        [Symbol.asyncDispose]: () => new Promise<void>(() => {}),
      });
    }
  }
  await using broker = new Hanging();
  const reader = new GaugeReader(broker, { timeout: 100 });
  assertEquals((await reader.read())[0]!.samples[0]!.value, 1);
  const kept = new GaugeReader(broker, { timeout: 100, keepsOpen: () => true });
  await kept.read();
  await kept.close();
});

test("GaugeReader logs that an inspector cannot be opened", async () => {
  class Broken extends StubBroker {
    override inspect(): Inspector {
      throw new TypeError("Invalid URL");
    }
  }
  await using broker = new Broken();
  await withLog({ category: ["dramatiq", "metrics"] }, async (lines) => {
    const gauges = await new GaugeReader(broker).read();
    assertEquals(gauges.map(({ name }) => name), ["dramatiq_broker_up"]);
    assertEquals(lines.map(({ properties }) => properties["reason"]), ["Invalid URL"]);
  });
  await assertRejects(() => readWorkers(broker), TypeError, "Invalid URL");
});

test("GaugeReader keeps its inspector open if asked to, and never closes a shared one", async () => {
  await using broker = new Remote();
  const kept = new GaugeReader(broker, { keepsOpen: () => true });
  await kept.read();
  assertEquals([broker.opened, broker.closed], [1, 0]);
  await kept.close();
  assertEquals([broker.opened, broker.closed], [1, 1]);
  const shared = new GaugeReader(broker, { inspector: broker.inspect() });
  await shared.read();
  await shared.close();
  assertEquals([broker.opened, broker.closed], [2, 1]);
});

test("GaugeReader reads counts of a broker without inspector, and nothing if it has none", async () => {
  class Plain extends StubBroker {
    override inspect(): Inspector {
      return Broker.prototype.inspect.call(this);
    }
  }
  class Counting extends Plain {
    getQueueMessageCounts(_queueName: string): Promise<object> {
      return Promise.resolve({ ready: 3 });
    }
  }
  await using plain = new Plain();
  await using counting = new Counting();
  for (const broker of [plain, counting]) broker.declareQueue("mails");
  assertEquals(await new GaugeReader(plain).read(), []);
  const { samples } = readExposition(gaugesText(await new GaugeReader(counting).read()));
  assertEquals(Object.fromEntries(samples), {
    "dramatiq_broker_up{}": 1,
    'dramatiq_queue_messages{queue_name="mails",state="ready"}': 3,
    'dramatiq_queue_paused{queue_name="mails"}': 0,
  });
});
