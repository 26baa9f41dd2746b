import { assert, assertEquals } from "@std/assert";
import {
  actor,
  DecodeError,
  defaultMiddleware,
  Message,
  type Middleware,
  Prometheus,
  Retry,
  StubBroker,
  TimeLimit,
  UndecodableMessage,
  Worker,
} from "@dq/dramatiq";
import { FakeClock } from "../support/fake_clock.ts";
import { test } from "../support/test.ts";
import vectors from "../vectors/metrics.json" with { type: "json" };
import { assertServedAsCaptured, CAPTURED, playCapturedRun } from "./prometheus/captured_run.ts";
import { readExposition } from "./prometheus/exposition_text.ts";

/** Python counts a retry under both queues, and moves one gauge up and another down. */
const COUNTED_ONCE = {
  'dramatiq_message_retries_total{actor_name="bad",queue_name="goldq.DQ"}': undefined,
  'dramatiq_delayed_messages_inprogress{actor_name="bad",pid="<pid>",queue_name="goldq.DQ"}': 0,
  'dramatiq_delayed_messages_inprogress{actor_name="bad",pid="<pid>",queue_name="goldq"}':
    undefined,
  'dramatiq_delayed_messages_inprogress{actor_name="good",pid="<pid>",queue_name="goldq.DQ"}': 0,
  'dramatiq_delayed_messages_inprogress{actor_name="good",pid="<pid>",queue_name="goldq"}':
    undefined,
};

async function textOf(prometheus: Prometheus): Promise<string> {
  const response = await prometheus.metricsHandler(new Request("http://localhost/metrics"));
  assertEquals(response.status, 200);
  return await response.text();
}

async function samplesOf(prometheus: Prometheus): Promise<ReadonlyMap<string, number>> {
  return readExposition(await textOf(prometheus)).samples;
}

// Reference: Prometheus
test("Prometheus serves what Python serves after the same run, each event counted once", async () => {
  await using run = await playCapturedRun();
  assertServedAsCaptured(await textOf(run.prometheus), CAPTURED.running, COUNTED_ONCE);
});

test("Prometheus gives buckets the bounds and the labels that Python gives them", async () => {
  await using run = await playCapturedRun();
  const samples = await samplesOf(run.prometheus);
  const { buckets } = vectors.metrics.find(({ buckets }) => buckets !== undefined)!;
  const found = [...samples.keys()].flatMap((key) =>
    /_bucket\{actor_name="bad",le="([^"]+)"/.exec(key)?.[1] ?? []
  );
  assertEquals(found, buckets!);
});

test("Prometheus ends with all gauges at zero", async () => {
  await using run = await playCapturedRun();
  await run.release();
  const { families, samples } = readExposition(await textOf(run.prometheus));
  const gauges = [...samples].filter(([key]) => families.get(key.split("{")[0]!)?.type === "gauge");
  assert(gauges.length >= 4);
  for (const [key, value] of gauges) assertEquals(value, 0, key);
});

test("Prometheus at the end of the list counts a message that was skipped before it saw it", async () => {
  const clock = new FakeClock();
  const prometheus = new Prometheus();
  const broker = new StubBroker({ clock, middleware: [...defaultMiddleware(), prometheus] });
  const good = actor(function good() {}, { broker, queueName: "goldq", maxAge: 1 });
  await using worker = new Worker(broker);
  await worker.start();
  await broker.enqueue(good.message().copy({ messageTimestamp: clock.now() - 1_000 }));
  await clock.settle();
  assertServedAsCaptured(await textOf(prometheus), CAPTURED.appended, {
    // It drops below zero there.
    'dramatiq_messages_inprogress{actor_name="good",queue_name="goldq"}': 0,
  });
});

for (const place of ["first", "last"] as const) {
  test(`Prometheus counts each retry once, ${place} in the list of middleware`, async () => {
    const clock = new FakeClock();
    const prometheus = new Prometheus();
    const others = defaultMiddleware();
    const middleware = place === "first" ? [prometheus, ...others] : [...others, prometheus];
    const broker = new StubBroker({ clock, middleware });
    let runs = 0;
    const flaky = actor(function flaky() {
      runs += 1;
      if (runs < 4) throw new Retry("Not yet", { delay: runs === 1 ? 0 : 1_000 });
    }, { broker });
    await using worker = new Worker(broker);
    await worker.start();
    await flaky.send();
    await clock.advance(10_000);
    const samples = await samplesOf(prometheus);
    const labels = '{actor_name="flaky",queue_name="default"}';
    assertEquals(samples.get(`dramatiq_message_retries_total${labels}`), 3);
    assertEquals(samples.get(`dramatiq_messages_total${labels}`), 4);
    assertEquals(samples.get(`dramatiq_message_errors_total${labels}`), 3);
    assertEquals(samples.get(`dramatiq_message_rejects_total${labels}`), 0);
  });
}

test("Prometheus measures how long a run takes", async () => {
  const clock = new FakeClock();
  const prometheus = new Prometheus();
  const broker = new StubBroker({ clock, middleware: [prometheus] });
  const waits = actor(function waits(ms: number) {
    return new Promise<void>((resolve) => void clock.setTimer(resolve, ms));
  }, { broker });
  await using worker = new Worker(broker);
  await worker.start();
  for (const ms of [5, 6, 1_000, 900_001]) await waits.send(ms);
  await clock.advance(1_000_000);
  const samples = await samplesOf(prometheus);
  const name = "dramatiq_message_duration_milliseconds";
  const bucket = (le: string) =>
    samples.get(`${name}_bucket{actor_name="waits",le="${le}",queue_name="default"}`);
  assertEquals([bucket("5.0"), bucket("10.0"), bucket("750.0"), bucket("1000.0")], [1, 2, 2, 3]);
  assertEquals([bucket("900000.0"), bucket("+Inf")], [3, 4]);
  assertEquals(samples.get(`${name}_sum{actor_name="waits",queue_name="default"}`), 901_012);
});

test("Prometheus does not count a message that was given back as a run", async () => {
  const prometheus = new Prometheus();
  const broker = new StubBroker({ middleware: [prometheus] });
  const { promise: begun, resolve: begin } = Promise.withResolvers<void>();
  const endless = actor(function endless() {
    begin();
    return new Promise<void>(() => {});
  }, { broker });
  const worker = new Worker(broker);
  await worker.start();
  await endless.send();
  await begun;
  const labels = '{actor_name="endless",queue_name="default"}';
  assertEquals((await samplesOf(prometheus)).get(`dramatiq_messages_inprogress${labels}`), 1);
  await worker.stop(0);
  const samples = await samplesOf(prometheus);
  assertEquals(samples.get(`dramatiq_messages_inprogress${labels}`), 0);
  assertEquals(samples.get(`dramatiq_messages_total${labels}`), 0);
  await broker.close();
});

test("Prometheus counts no message in progress that is given up before its hook is called", async () => {
  const clock = new FakeClock();
  const prometheus = new Prometheus();
  const { promise: open, resolve: unlock } = Promise.withResolvers<void>();
  const slow: Middleware = { beforeProcessMessage: () => open };
  const middleware = [new TimeLimit({ timeLimit: 1_000 }), slow, prometheus];
  const broker = new StubBroker({ clock, middleware, failFast: false });
  const late = actor(function late() {}, { broker });
  await using worker = new Worker(broker);
  await worker.start();
  await late.send();
  await clock.advance(10_000);
  unlock();
  await clock.settle();
  const samples = await samplesOf(prometheus);
  const labels = '{actor_name="late",queue_name="default"}';
  assertEquals(samples.get(`dramatiq_messages_inprogress${labels}`), 0);
  assertEquals(samples.get(`dramatiq_messages_total${labels}`), 1);
});

test("Prometheus counts undecodable data among the dead letters of its queue", async () => {
  const prometheus = new Prometheus();
  const broker = new StubBroker({ middleware: [prometheus], failFast: false });
  broker.declareQueue("mails");
  await using worker = new Worker(broker);
  await worker.start();
  for (const data of ["{", "null"]) {
    await broker.enqueue(new UndecodableMessage("mails", new DecodeError("no message", data)));
  }
  await broker.join("mails");
  await worker.join();
  const labels = '{actor_name="(undecodable)",queue_name="mails"}';
  const samples = await samplesOf(prometheus);
  assertEquals(samples.get(`dramatiq_message_rejects_total${labels}`), 2);
  assertEquals(samples.get(`dramatiq_messages_total${labels}`) ?? 0, 0);
});

test("Prometheus takes names from outside in small numbers only", async () => {
  const prometheus = new Prometheus();
  const broker = new StubBroker({ middleware: [prometheus], failFast: false });
  broker.declareQueue("default");
  await using worker = new Worker(broker);
  await worker.start();
  for (let i = 0; i < 1_000; i++) {
    await broker.enqueue(
      new Message({ queueName: "default", actorName: `evil"\n${i}`, args: [] }),
    );
  }
  await broker.join("default");
  await worker.join();
  const rejects = [...await samplesOf(prometheus)].filter(([key]) => key.includes("rejects"));
  assertEquals(rejects.length, 102, "with others and undecodable data");
  assertEquals(rejects.reduce((total, [, value]) => total + value, 0), 1_000);
});

test("Prometheus serves the counters of declared actors and queues from zero", async () => {
  const prometheus = new Prometheus();
  await using broker = new StubBroker({ middleware: [prometheus] });
  actor(() => {}, { broker, queueName: "mails", actorName: "nightly" });
  broker.declareQueue("reports");
  const nightly = '{actor_name="nightly",queue_name="mails"}';
  const undecodable = (queueName: string) =>
    `dramatiq_message_rejects_total{actor_name="(undecodable)",queue_name="${queueName}"}`;
  const zeros = {
    [`dramatiq_messages_total${nightly}`]: 0,
    [`dramatiq_message_errors_total${nightly}`]: 0,
    [`dramatiq_message_retries_total${nightly}`]: 0,
    [`dramatiq_message_rejects_total${nightly}`]: 0,
    [undecodable("mails")]: 0,
    [undecodable("reports")]: 0,
  };
  assertEquals(Object.fromEntries(await samplesOf(prometheus)), zeros);
  const late = new Prometheus();
  broker.addMiddleware(late);
  assertEquals(Object.fromEntries(await samplesOf(late)), zeros);
});

test("Prometheus serves one series for names that have the same label", async () => {
  const prometheus = new Prometheus();
  const broker = new StubBroker({ middleware: [prometheus], failFast: false });
  broker.declareQueue("default");
  await using worker = new Worker(broker);
  await worker.start();
  for (const actorName of ["\ud800", "\ud801", "\r", "\ufffd", "\r"]) {
    await broker.enqueue(new Message({ queueName: "default", actorName, args: [] }));
  }
  await broker.join("default");
  await worker.join();
  const rejects = 'dramatiq_message_rejects_total{actor_name="\ufffd",queue_name="default"}';
  assertEquals((await samplesOf(prometheus)).get(rejects), 5);
});

test("Prometheus serves metrics of one's own beside its own", async () => {
  const { Counter, Registry } = await import("prom-client");
  const registry = new Registry();
  const orders = new Counter({ name: "orders", help: "Orders", registers: [registry] });
  orders.inc(3);
  const prometheus = new Prometheus({ registry });
  const samples = await samplesOf(prometheus);
  assertEquals(samples.get("orders{}"), 3);
});

test("Prometheus counts what a realm was killed for as failed, and what ran beside it once", async () => {
  const module = new URL("prometheus/spinning_actors.ts", import.meta.url).href;
  const { broker, neighbour, prometheus, spin } = await import(module);
  await using worker = new Worker(broker, {
    executor: "process", // a thread that spins cannot be ended on Deno
    modules: [module],
    brokerExport: "broker",
    threads: 1,
    concurrency: 2,
  });
  await worker.start();
  await broker.enqueueMany([neighbour.message(), spin.message()]);
  await broker.join("default");
  await worker.join();
  const samples = await samplesOf(prometheus);
  const of = (name: string, actorName: string) =>
    samples.get(`dramatiq_${name}{actor_name="${actorName}",queue_name="default"}`);
  for (const actorName of ["spin", "neighbour"]) {
    assertEquals(of("messages_total", actorName), 1, actorName);
    assertEquals(of("messages_inprogress", actorName), 0, actorName);
  }
  assertEquals([of("message_errors_total", "spin"), of("message_rejects_total", "spin")], [1, 1]);
  assertEquals(of("message_errors_total", "neighbour"), 0);
});
