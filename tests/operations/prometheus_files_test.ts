import { assert, assertEquals, assertThrows } from "@std/assert";
import { actor, defaultMiddleware, Prometheus, StubBroker, Worker } from "@dq/dramatiq";
import { SUBCOMMANDS } from "../../cli/subcommands.ts";
import { readExposition } from "../middleware/prometheus/exposition_text.ts";
import { FakeClock } from "../support/fake_clock.ts";
import { eventually } from "../support/servers/until.ts";
import { test } from "../support/test.ts";
import { parseYaml } from "../support/yaml.ts";
import { ALERT_CASES } from "./alert_cases.ts";
import { expressionsOf, type Panel, readDashboard, readPage, readRules } from "./files.ts";
import { metricsIn } from "./promql.ts";

/** Metrics that Prometheus itself makes. */
const OF_PROMETHEUS = new Set(["up"]);
/** The width of Grafana's grid. */
const COLUMNS = 24;

/** Names of all metrics that this library serves, in the state of a broker that uses everything. */
async function servedNames(): Promise<Set<string>> {
  const clock = new FakeClock();
  const prometheus = new Prometheus({ queueGauges: true });
  await using broker = new StubBroker({
    clock,
    failFast: false,
    middleware: [prometheus, ...defaultMiddleware()],
  });
  const release = Promise.withResolvers<void>();
  const hang = actor(() => release.promise, { broker, actorName: "hang", every: 60_000 });
  await using worker = new Worker(broker);
  await worker.start();
  await hang.send();
  await eventually("begin the schedule", async () => {
    await clock.settle();
    return (await broker.controlStore.read("tick/")).entries.length > 0;
  });
  const response = await prometheus.metricsHandler(new Request("http://localhost/metrics"));
  const { families, samples } = readExposition(await response.text());
  release.resolve();
  return new Set([...families.keys(), ...Array.from(samples.keys(), (key) => key.split("{")[0]!)]);
}

test("metricsIn refuses what is no expression, or names no metric", () => {
  assertEquals(metricsIn('max(a{b="$job"}) / rate(c[$__rate_interval])'), ["a", "c"]);
  for (const text of ["sum(", "a >< b", "a{b=c}", "rate(a[5m)", "vector(1)"]) {
    assertThrows(() => metricsIn(text), SyntaxError, text);
  }
});

test("alerts.yaml and dashboard.json name only metrics that are served, in expressions that parse", async () => {
  const dashboard = await readDashboard();
  const served = await servedNames();
  const expressions = [...(await readRules()).map(({ expr }) => expr), ...expressionsOf(dashboard)];
  assert(expressions.length > 30, `there are ${expressions.length}`);
  const named = new Set(expressions.flatMap(metricsIn));
  const variables = dashboard.templating.list.flatMap(({ definition = "" }) =>
    definition.match(/dramatiq_\w+/g) ?? []
  );
  const unknown = [...named, ...variables]
    .filter((name) => !served.has(name) && !OF_PROMETHEUS.has(name));
  assertEquals(unknown, []);
  for (const name of served) {
    if (!/^dramatiq_(?:queue|broker|worker|running|schedule_due)/.test(name)) continue;
    assert(named.has(name), `neither file uses ${name}`);
  }
});

test("alerts.yaml has a severity, a summary and a link for each alert", async () => {
  const rules = await readRules();
  assertEquals(rules.map(({ alert }) => alert), Object.keys(ALERT_CASES));
  const page = await readPage("docs/operations/alerts.md");
  const sections = page.split(/^## /m).slice(1);
  for (const [i, { alert, labels, annotations }] of rules.entries()) {
    assert(/^(?:page|ticket)$/.test(labels["severity"]!), alert);
    const { summary, description, runbook, ...others } = annotations;
    assert(summary!.length > 10 && description!.length > 20, alert);
    assertEquals(runbook, `docs/operations/alerts.md#${alert.toLowerCase()}`);
    assertEquals(others, {});
    const section = sections[i]!;
    assert(section.startsWith(`${alert}\n`), `the section of ${alert} is not in its place`);
    for (const part of ["Meaning", "First step", "Usual cause"]) {
      assert(section.includes(`**${part}:** `), `${alert} has no "${part}"`);
    }
  }
  const commands = Array.from(page.matchAll(/deno task worker\s+([a-z-]+)/g), ([, name]) => name!);
  assert(commands.length > 10, "it must see commands");
  assertEquals(commands.filter((name) => !SUBCOMMANDS.has(name)), []);
});

test("dashboard.json has panels with ids of their own that do not overlap", async () => {
  const { id, schemaVersion, panels } = await readDashboard();
  assertEquals([id, schemaVersion], [null, 39]);
  assertEquals(new Set(panels.map((one) => one.id)).size, panels.length);
  const rows = panels.filter(({ type }) => type === "row").map(({ title }) => title);
  assertEquals(rows, ["State", "Queues", "Actors", "Processes"]);
  const taken = new Map<string, string>();
  for (const { title, gridPos: { x, y, w, h } } of panels) {
    assert(x >= 0 && x + w <= COLUMNS && w > 0 && h > 0, title);
    for (let i = 0; i < w * h; i++) {
      const cell = `${x + i % w} ${y + Math.floor(i / w)}`;
      assertEquals(taken.get(cell), undefined, `${title} covers ${taken.get(cell)}`);
      taken.set(cell, title);
    }
  }
});

test("dashboard.json reads the chosen data source alone, by job, queue and actor", async () => {
  const { panels, templating: { list } } = await readDashboard();
  const [source, ...others] = list;
  assertEquals([source!.name, source!.type, source!.query], [
    "datasource",
    "datasource",
    "prometheus",
  ]);
  assertEquals(others.map(({ name }) => name), ["job", "queue", "actor"]);
  const charts = panels.filter(({ type }) => type !== "row");
  const targets = charts.flatMap(({ targets = [] }) => targets);
  for (const { datasource } of [...others, ...charts, ...targets]) {
    assertEquals(datasource, { type: "prometheus", uid: "${datasource}" });
  }
  for (const panel of charts) assertEquals(problemOf(panel), undefined, panel.title);
});

/** Faults of a panel. */
function problemOf({ targets = [] }: Panel): string | undefined {
  if (targets.length === 0) return "it shows nothing";
  const refs = new Set(targets.map(({ refId }) => refId));
  if (refs.size < targets.length) return "two targets have one id";
  return targets.map(({ expr }) => expr)
    .find((expr) =>
      !expr.includes('job=~"$job"') || /\$(?!job|queue|actor|__rate_interval)/.test(expr)
    );
}

test("docs/prometheus.md has a configuration that scrapes, and loads the rules", async () => {
  const page = await readPage("docs/prometheus.md");
  const [, text] = /```yaml\n(scrape_configs[^]+?)```/.exec(page)!;
  const { scrape_configs, rule_files } = parseYaml(text!) as unknown as {
    readonly scrape_configs: readonly { readonly job_name: string }[];
    readonly rule_files: readonly string[];
  };
  const names = scrape_configs.map(({ job_name }) => job_name);
  assertEquals(new Set(names).size, names.length);
  assert(names.length >= 2);
  assertEquals(rule_files, ["alerts.yaml"]);
});
