import { rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { assert, assertEquals, assertRejects } from "@std/assert";
import { actor, Control, Prometheus, RedisBroker, StubBroker, Worker } from "@dq/dramatiq";
import type { Inspector } from "@dq/dramatiq/core";
import { toMetricsSettings } from "../../middleware/prometheus/settings.ts";
import { withFolder } from "../support/folder.ts";
import { freePort } from "../support/servers/free_port.ts";
import { startOwnRedis } from "../support/servers/redis.ts";
import { withEnvironment } from "../support/environment.ts";
import { test } from "../support/test.ts";
import vectors from "../vectors/metrics.json" with { type: "json" };
import { readExposition } from "./prometheus/exposition_text.ts";

const { exposition } = vectors;
const GET = new Request("http://localhost/metrics");

/** One that has its files in a folder, and a port of its own. */
async function open(folder: string): Promise<{ prometheus: Prometheus; port: number }> {
  const port = await freePort();
  const prometheus = new Prometheus({
    host: "127.0.0.1",
    port,
    database: join(folder, "db"),
    lock: join(folder, "lock"),
  });
  return { prometheus, port };
}

test("Prometheus answers each request as Python does, until it is disposed of", async () => {
  await withFolder(async (folder) => {
    const { prometheus, port } = await open(folder);
    await prometheus.serve();
    await prometheus.serve(); // once is enough
    for (const [request, status] of Object.entries(exposition.status_by_request)) {
      const [method = "", path = ""] = request.split(" ");
      const response = await fetch(`http://127.0.0.1:${port}${path}`, { method });
      const text = await response.text();
      assertEquals(response.status, status, request);
      if (status !== exposition.status) continue;
      assertEquals(response.headers.get("content-type"), exposition.headers["content-type"]);
      assert(readExposition(text).families.has("dramatiq_messages_total"));
    }
    await prometheus[Symbol.asyncDispose]();
    await assertRejects(() => fetch(`http://127.0.0.1:${port}/`));
  });
});

test("Prometheus.metricsHandler answers as the server does", async () => {
  const { metricsHandler } = new Prometheus(); // it needs no `this`
  for (const [request, status] of Object.entries(exposition.status_by_request)) {
    const [method = "", path = ""] = request.split(" ");
    const response = await metricsHandler(new Request(`http://localhost${path}`, { method }));
    assertEquals(response.status, status, request);
    if (status !== exposition.status) continue;
    assertEquals(response.headers.get("content-type"), exposition.headers["content-type"]);
  }
});

test("Prometheus serves from the start of a process of the command line to its last worker's stop", async () => {
  await withFolder(async (folder) => {
    const { prometheus, port } = await open(folder);
    const broker = new StubBroker({ middleware: [prometheus] });
    await broker.emit("afterProcessBoot");
    const workers = [new Worker(broker), new Worker(broker)];
    for (const worker of workers) await worker.start();
    await workers[0]!.stop();
    assertEquals((await fetch(`http://127.0.0.1:${port}/`).then((it) => it.text())) !== "", true);
    await workers[1]!.stop();
    await assertRejects(() => fetch(`http://127.0.0.1:${port}/`));
    await broker.close();
  });
});

test("Prometheus opens nothing for a worker that is not of the command line", async () => {
  await withFolder(async (folder) => {
    const database = join(folder, "db");
    const prometheus = new Prometheus({ database, lock: join(folder, "lock") });
    const broker = new StubBroker({ middleware: [prometheus] });
    await using worker = new Worker(broker);
    await worker.start();
    assertEquals((await prometheus.metricsHandler(GET)).status, 200);
    await assertRejects(() => rm(database, { recursive: true }), Error, "ENOENT");
  });
});

test("Prometheus.serve says why a folder cannot be used, and can be called again", async () => {
  await withFolder(async (folder) => {
    const prometheus = new Prometheus({
      host: "127.0.0.1",
      port: await freePort(),
      database: "/dev/null/db",
      lock: join(folder, "lock"),
    });
    await assertRejects(() => prometheus.serve(), Error, "/dev/null");
    await assertRejects(() => prometheus.serve(), Error, "/dev/null");
    await prometheus[Symbol.asyncDispose]();
    assertEquals((await prometheus.metricsHandler(GET)).status, 200);
  });
});

// Reference: dramatiq_prom_lock, dramatiq_prom_db, dramatiq_prom_host, dramatiq_prom_port
test("Prometheus reads its place from the environment, else it is Python's", () => {
  const { host, port } = exposition.defaults;
  const database = exposition.defaults.database.replace("<tmp>", tmpdir());
  assertEquals(toMetricsSettings({}), { host, port, database, lock: `${database}.lock` });
  withEnvironment({ dramatiq_prom_port: "9192", DRAMATIQ_PROM_DB: "/var/metrics" }, () => {
    assertEquals(toMetricsSettings({}).port, 9192);
    assertEquals(toMetricsSettings({}).database, "/var/metrics");
    assertEquals(toMetricsSettings({ port: 1 }).port, 1);
  });
  withEnvironment({ dramatiq_prom_port: "99999" }, () => {
    assertThrowsRange("Cannot serve metrics on port 99999: it must be a whole number from 0");
  });
  withEnvironment({ dramatiq_prom_port: "http" }, () => {
    assertThrowsRange("Cannot read environment variable dramatiq_prom_port: it must be a whole");
  });
});

function assertThrowsRange(text: string): void {
  try {
    toMetricsSettings({});
  } catch (error) {
    assert(error instanceof RangeError && error.message.startsWith(text), String(error));
    return;
  }
  throw new Error(`It does not throw ${text}`);
}

/** Contents of queues, by queue and state. */
async function queueGaugesOf(prometheus: Prometheus): Promise<Record<string, number>> {
  const { samples } = readExposition(await (await prometheus.metricsHandler(GET)).text());
  return Object.fromEntries(
    [...samples].filter(([key]) => key.startsWith("dramatiq_queue_messages")),
  );
}

test("Prometheus counts what the queues of Redis hold, and serves the rest when it is away", async () => {
  await using server = await startOwnRedis();
  const prometheus = new Prometheus({ queueGauges: true });
  await using broker = new RedisBroker({ url: server.url, middleware: [prometheus] });
  const task = actor(function task() {}, { broker, queueName: "mails" });
  await task.sendMany([[], [], []]);
  await task.sendWithOptions({ delay: 60_000 });
  assertEquals(await queueGaugesOf(prometheus), {
    'dramatiq_queue_messages{queue_name="mails",state="ready"}': 3,
    'dramatiq_queue_messages{queue_name="mails",state="delayed"}': 1,
    'dramatiq_queue_messages{queue_name="mails",state="unacknowledged"}': 0,
    'dramatiq_queue_messages{queue_name="mails",state="dead"}': 0,
  });

  broker.declareQueue("reports");
  await new Control(broker).pause({ queue: "reports" });
  const pausing = new Prometheus({ queueGauges: true });
  broker.addMiddleware(pausing);
  const { samples } = readExposition(await (await pausing.metricsHandler(GET)).text());
  assertEquals(samples.get('dramatiq_queue_paused{queue_name="mails"}'), 0);
  assertEquals(samples.get('dramatiq_queue_paused{queue_name="reports"}'), 1);
  assertEquals(samples.get("dramatiq_broker_up{}"), 1);
  assertEquals(samples.get('dramatiq_workers{state="working"}'), 0, "it only sends");
  assertEquals(samples.get('dramatiq_workers{state="silent"}'), 1);

  const without = new Prometheus();
  broker.addMiddleware(without);
  assertEquals(await queueGaugesOf(without), {});

  await server.kill();
  const away = new Prometheus({ queueGauges: true });
  broker.addMiddleware(away);
  const { samples: left } = readExposition(await (await away.metricsHandler(GET)).text());
  const gauges = [...left].filter(([key]) => /_(?:queue|worker|broker)/.test(key));
  assertEquals(gauges, [["dramatiq_broker_up{}", 0]]);
});

test("Prometheus leaves the connection for gauges open while a worker runs, and no longer", async () => {
  const prometheus = new Prometheus({ queueGauges: true });
  let open = 0;
  class Counted extends StubBroker {
    override inspect(): Inspector {
      open += 1;
      const close = () => Promise.resolve(void (open -= 1));
      return Object.assign(super.inspect(), { [Symbol.asyncDispose]: close });
    }
  }
  await using broker = new Counted({ middleware: [prometheus] });
  broker.declareQueue("mails");
  const worker = new Worker(broker);
  await worker.start();
  assertEquals(Object.keys(await queueGaugesOf(prometheus)).length, 4);
  assertEquals(open, 1);
  await worker.stop();
  assertEquals(open, 0);
});

test("Prometheus serves what was done for schedules, and nothing without", async () => {
  const prometheus = new Prometheus();
  await using broker = new StubBroker({ middleware: [prometheus] });
  broker.declareQueue("default");
  const schedules = async () => {
    const { samples } = readExposition(await (await prometheus.metricsHandler(GET)).text());
    return Object.fromEntries([...samples].filter(([name]) => name.includes("schedule")));
  };
  assertEquals(await schedules(), {});
  broker.schedules.sent("nightly", 20);
  broker.schedules.sent("nightly", 400_000);
  broker.schedules.skipped("nightly");
  const bucket = (le: string) =>
    `dramatiq_schedule_late_seconds_bucket{le="${le}",schedule="nightly"}`;
  const served = await schedules();
  const name = '{schedule="nightly"}';
  assertEquals(served[`dramatiq_schedule_fired_total${name}`], 2);
  assertEquals(served[`dramatiq_schedule_skipped_total${name}`], 1);
  assertEquals(served[`dramatiq_schedule_late_seconds_sum${name}`], 400.02);
  assertEquals(["0.01", "0.05", "300", "+Inf"].map((le) => served[bucket(le)]), [0, 1, 1, 2]);
});
