import { renameSync, writeFileSync } from "node:fs";
import { readdir, stat } from "node:fs/promises";
import { join } from "node:path";
import { assert, assertEquals } from "@std/assert";
import { type Broker, type MessageProxy, Prometheus, StubBroker } from "@dq/dramatiq";
import { countsOf, sumOf } from "../../middleware/prometheus/counts.ts";
import { expositionOf } from "../../middleware/prometheus/families.ts";
import { MetricsFolder } from "../../middleware/prometheus/folder.ts";
import { Series, ZERO_COUNTERS } from "../../middleware/prometheus/series.ts";
import { withFolder } from "../support/folder.ts";
import { linesOf, textOf, withLog } from "../support/log.ts";
import { freePort } from "../support/servers/free_port.ts";
import { until } from "../support/servers/until.ts";
import { test } from "../support/test.ts";
import { readExposition } from "./prometheus/exposition_text.ts";

const ACTORS = 500;
const QUEUES = 50;
const GET = new Request("http://localhost/metrics");

/** As many series as 500 actors on 50 queues each have. */
function manySeries(): Series[] {
  return Array.from({ length: ACTORS * QUEUES }, (_, i) => {
    const series = new Series(`actor${i % ACTORS}`, `queue${Math.floor(i / ACTORS)}`);
    series.ended(i % 1_000);
    return series;
  });
}

test("Prometheus gives the event loop its turns while it writes 25,000 series", async () => {
  await withFolder(async (path) => {
    const counts = countsOf(manySeries(), []);
    let turns = 0;
    const timer = setInterval(() => turns++, 0);
    const folder = await MetricsFolder.join(path);
    await folder.write(counts);
    const turnsOfWrite = turns;
    const file = (await readdir(path)).find((name) => name.endsWith(".json"))!;
    const { size } = await stat(join(path, file));
    assert(size < 4_000_000, `${size} bytes`);
    let longest = 0;
    for await (const piece of expositionOf(counts.series, [])) {
      longest = Math.max(longest, piece.length);
    }
    clearInterval(timer);
    folder.leave();
    assert(turnsOfWrite > 5, `${turnsOfWrite} turns`);
    assert(turns - turnsOfWrite > 50, `${turns - turnsOfWrite} turns`);
    assert(longest < 2_000_000, `a piece of ${longest} characters`);
  });
});

test("Prometheus serves the sum of many series, each number once", async () => {
  const own = countsOf(manySeries().slice(0, 3_000), []);
  const total = await sumOf([own, own]);
  let text = "";
  for await (const piece of expositionOf(total.series, total.delayed)) text += piece;
  const { samples } = readExposition(text);
  const of = (name: string, i: number) =>
    samples.get(
      `${name}{actor_name="actor${i % ACTORS}",queue_name="queue${Math.floor(i / ACTORS)}"}`,
    );
  for (const i of [0, 1, 499, 500, 2_999]) {
    assertEquals(of("dramatiq_messages_total", i), 2);
    assertEquals(of("dramatiq_message_duration_milliseconds_sum", i), 2 * (i % 1_000));
    assertEquals(of("dramatiq_message_duration_milliseconds_count", i), 2);
  }
});

test("Prometheus serves all numbers of a series once one of its processes has begun a message", async () => {
  const [idle, busy] = [new Series("actor", "queue"), new Series("actor", "queue")];
  idle.zeros = ZERO_COUNTERS;
  busy.ended(1);
  for (const all of [[idle, busy], [busy, idle]]) {
    const total = await sumOf(all.map((one) => countsOf([one], [])));
    let text = "";
    for await (const piece of expositionOf(total.series, [])) text += piece;
    const { samples } = readExposition(text);
    const labels = '{actor_name="actor",queue_name="queue"}';
    assertEquals(samples.get(`dramatiq_messages_inprogress${labels}`), 0);
    assertEquals(samples.get(`dramatiq_message_duration_milliseconds_count${labels}`), 1);
  }
});

/** An application whose metrics are shared through a folder. */
async function serving(folder: string, port: number): Promise<Prometheus> {
  const database = join(folder, "db");
  const prometheus = new Prometheus({
    host: "127.0.0.1",
    port,
    database,
    lock: join(folder, "lock"),
  });
  new StubBroker({ middleware: [prometheus] });
  await prometheus.serve();
  return prometheus;
}

test("Prometheus logs which process serves the metrics of an application", async () => {
  await withFolder(async (folder) => {
    await withLog({ category: ["dramatiq"] }, async (lines) => {
      await using _first = await serving(folder, await freePort());
      await using _second = await serving(folder, await freePort());
      const isTold = () =>
        lines.some((line) => textOf(line).startsWith("Metrics of this process are served by"));
      await until(() => Promise.resolve(isTold()), { timeout: 30_000, what: "see who serves" });
    });
  });
});

test("Prometheus says that it cannot write, and stops without an error", async () => {
  await withFolder(async (folder) => {
    const lines = await linesOf({ category: ["dramatiq"], lowestLevel: "error" }, async () => {
      const prometheus = await serving(folder, await freePort());
      renameSync(join(folder, "db"), join(folder, "gone"));
      writeFileSync(join(folder, "db"), ""); // before the next step
      const message = { actorName: "a", queueName: "q" } as MessageProxy;
      prometheus.afterNack({ actors: new Map(), queues: new Set() } as unknown as Broker, message);
      await prometheus[Symbol.asyncDispose]();
      assertEquals((await prometheus.metricsHandler(GET)).status, 200);
    });
    const [line, ...others] = lines.map((one) => textOf(one).replaceAll('"', ""));
    assert(
      line?.startsWith(`Retrying to write metrics to ${join(folder, "db")}: `),
      line,
    );
    assertEquals(others, []);
  });
});
