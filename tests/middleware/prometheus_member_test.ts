import { createServer } from "node:http";
import { once } from "node:events";
import { rmSync } from "node:fs";
import { readdir, rename, rm, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { actor, Prometheus, StubBroker, Worker } from "@dq/dramatiq";

import type { PrometheusOptions } from "@dq/dramatiq/middleware";
import { ProcessLock } from "../../middleware/prometheus/process_lock.ts";
import { FakeClock } from "../support/fake_clock.ts";
import { withFolder } from "../support/folder.ts";
import { linesOf, textOf } from "../support/log.ts";
import { freePort } from "../support/servers/free_port.ts";
import { eventually, until } from "../support/servers/until.ts";
import { test } from "../support/test.ts";
import { readExposition } from "./prometheus/exposition_text.ts";

const GET = new Request("http://localhost/metrics");

async function open(folder: string, options: PrometheusOptions = {}): Promise<Prometheus> {
  return new Prometheus({
    host: "127.0.0.1",
    port: await freePort(),
    database: join(folder, "db"),
    lock: join(folder, "lock"),
    ...options,
  });
}

/** Has a worker run an actor so many times. */
async function countRuns(prometheus: Prometheus, count: number): Promise<void> {
  const broker = new StubBroker({ middleware: [prometheus] });
  const counted = actor(function counted() {}, { broker });
  await counted.sendMany(Array.from({ length: count }, () => []));
  await using worker = new Worker(broker);
  await worker.start();
  await broker.join("default");
}

async function sampleOf(prometheus: Prometheus, name: string): Promise<number | undefined> {
  const text = await (await prometheus.metricsHandler(GET)).text();
  return readExposition(text).samples.get(`${name}{actor_name="counted",queue_name="default"}`);
}

test("Prometheus writes what it has counted to the last before it stops", async () => {
  await withFolder(async (folder) => {
    const [staying, leaving] = [await open(folder), await open(folder)];
    await staying.serve();
    await leaving.serve();
    await countRuns(leaving, 3);
    await leaving[Symbol.asyncDispose]();
    assertEquals(await sampleOf(staying, "dramatiq_messages_total"), 3);
    await staying[Symbol.asyncDispose]();
  });
});

test("Prometheus lets go of its lock when it stops: another may serve", async () => {
  await withFolder(async (folder) => {
    const prometheus = await open(folder);
    await prometheus.serve();
    assertEquals(ProcessLock.take(join(folder, "lock")), undefined);
    await prometheus[Symbol.asyncDispose]();
    const lock = ProcessLock.take(join(folder, "lock"));
    assert(lock !== undefined, "it is still locked");
    lock.release();
  });
});

test("Prometheus.serve works once the folder can be used that could not", async () => {
  await withFolder(async (folder) => {
    const database = join(folder, "db");
    await writeFile(database, "no folder");
    const prometheus = await open(folder);
    await assertRejects(() => prometheus.serve());
    await rm(database);
    await prometheus.serve();
    await prometheus[Symbol.asyncDispose]();
  });
});

test("Prometheus goes on serving when a worker of one's own program stops", async () => {
  await withFolder(async (folder) => {
    const port = await freePort();
    const prometheus = await open(folder, { port });
    await prometheus.serve();
    await countRuns(prometheus, 1);
    assertEquals((await fetch(`http://127.0.0.1:${port}/`).then((it) => it.text())) !== "", true);
    await prometheus[Symbol.asyncDispose]();
  });
});

/** Metrics of the application that count how often they were requested. */
class Asked {
  times = 0;
  /** Gate of the next answers. */
  gate: Promise<void> = Promise.resolve();

  async getMetricsAsJSON(): Promise<never[]> {
    this.times += 1;
    await this.gate;
    return [];
  }
}

test("Prometheus looks at its metrics every second, but never twice at a time", async () => {
  await withFolder(async (folder) => {
    const registry = new Asked();
    const prometheus = await open(folder, { registry });
    await prometheus.serve();
    const gate = Promise.withResolvers<void>();
    registry.gate = gate.promise;
    const other = new Asked();
    const inspector = await open(folder, { registry: other });
    await inspector.serve();
    await eventually("look a second time", () => registry.times === 2);
    const { times } = other;
    await eventually("see another one look twice", () => other.times >= times + 2);
    assertEquals(registry.times, 2);
    gate.resolve();
    for (const one of [prometheus, inspector]) await one[Symbol.asyncDispose]();
  });
});

test("Prometheus logs the same error once, however long it lasts", async () => {
  await withFolder(async (folder) => {
    const taken = createServer().listen(0, "127.0.0.1");
    await once(taken, "listening");
    const { port } = taken.address() as { port: number };
    const registry = new Asked();
    const prometheus = await open(folder, { port, registry });
    const lines = await linesOf(
      { category: ["dramatiq", "middleware", "Prometheus"] },
      async () => {
        await prometheus.serve();
        await eventually("try again and again", () => registry.times > 3);
      },
    );
    assertEquals(lines.length, 1);
    await prometheus[Symbol.asyncDispose]();
    taken.close();
  });
});

test("Prometheus serves its own metrics, and logs it once, while its folder is another's", async () => {
  await withFolder(async (folder) => {
    const [port, database] = [await freePort(), join(folder, "db")];
    const registry = new Asked();
    const prometheus = await open(folder, { port, registry });
    await prometheus.serve();
    await countRuns(prometheus, 1);
    const { times } = registry;
    const gate = Promise.withResolvers<void>();
    registry.gate = gate.promise; // no step writes while the folder is replaced
    await eventually("begin a step", () => registry.times > times);
    await rename(database, `${database}-old`);
    await symlink(folder, database);
    const lines = await linesOf(
      { category: ["dramatiq", "middleware", "Prometheus"] },
      async () => {
        gate.resolve();
        await eventually("try twice", () => registry.times >= times + 3);
        const response = await fetch(`http://127.0.0.1:${port}/`);
        assertEquals(response.status, 200);
        assertStringIncludes(await response.text(), "counted");
        await rm(database);
        await eventually("write", () => readdir(database).then(hasCounts, () => false));
      },
    );
    const reason = "it is a symbolic link (database, or dramatiq_prom_db)";
    assertEquals(lines.map(textOf), [
      `Retrying to write metrics to ${database}: Cannot keep metrics in ${database}: ${reason}`,
      `Rejoined metrics folder ${database}: it was deleted or replaced`,
    ]);
    await prometheus[Symbol.asyncDispose]();
  });
});

function hasCounts(names: readonly string[]): boolean {
  return names.some((name) => /^\d+-.*\.json$/.test(name));
}

test("Prometheus serves no more while another has the lock that replaced its own", async () => {
  await withFolder(async (folder) => {
    const port = await freePort();
    const prometheus = await open(folder, { port });
    await prometheus.serve();
    rmSync(join(folder, "lock"));
    const lock = ProcessLock.take(join(folder, "lock"))!; // before the next step
    const isServed = () => fetch(`http://127.0.0.1:${port}/`).then(({ ok }) => ok, () => false);
    await until(async () => !await isServed(), {
      what: "stop serving",
      timeout: 30_000,
      interval: 50,
    });
    lock.release();
    await until(isServed, { what: "serve again", timeout: 30_000, interval: 50 });
    assertEquals(ProcessLock.take(join(folder, "lock")), undefined);
    await prometheus[Symbol.asyncDispose]();
  });
});

test("Prometheus counts no time below zero when the clock is set back", async () => {
  const clock = new FakeClock();
  clock.jump(3_600_000);
  const prometheus = new Prometheus();
  const broker = new StubBroker({ clock, middleware: [prometheus] });
  const gate = Promise.withResolvers<void>();
  const counted = actor(() => gate.promise, { broker, actorName: "counted" });
  await using worker = new Worker(broker);
  await worker.start();
  await counted.send();
  await clock.settle();
  clock.jump(-60_000);
  gate.resolve();
  await clock.settle();
  assertEquals(await sampleOf(prometheus, "dramatiq_message_duration_milliseconds_sum"), 0);
});
