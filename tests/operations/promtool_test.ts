import { execFile } from "node:child_process";
import { copyFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import process from "node:process";
import { promisify } from "node:util";
import { assertStringIncludes } from "@std/assert";
import { runsLongTests } from "../servers/own.ts";
import { withFolder } from "../support/folder.ts";
import { ensureInstalled, findProgram } from "../support/servers/install.ts";
import { skip, test } from "../support/test.ts";
import { ALERT_CASES, type AlertCase, type FiringCase } from "./alert_cases.ts";
import {
  type AlertRule,
  expressionsOf,
  OPERATIONS,
  readDashboard,
  readPage,
  readRules,
} from "./files.ts";
import { withoutVariables } from "./promql.ts";

const run = promisify(execFile);
const mayInstall = process.getuid?.() === 0 && await findProgram("apt-get") !== undefined;
const hasPromtool = await findProgram("promtool") !== undefined || mayInstall;

/** Runs promtool on files in a folder, which has the rules, too. */
async function promtool(
  files: Readonly<Record<string, string>>,
  ...args: string[]
): Promise<string> {
  const program = await ensureInstalled("promtool");
  let output = "";
  await withFolder(async (folder) => {
    await copyFile(join(OPERATIONS, "alerts.yaml"), join(folder, "alerts.yaml"));
    for (const [name, text] of Object.entries(files)) await writeFile(join(folder, name), text);
    const { stdout } = await run(program, args, { cwd: folder }).catch((error) => {
      throw new Error(`${error.stdout}${error.stderr}`);
    });
    output = stdout;
  });
  return output;
}

/** A test of promtool: it reads YAML, and therefore JSON. */
function testOf(alert: string, { about, series, minute }: AlertCase, expected: readonly object[]) {
  return {
    name: `${alert}: ${about}`,
    interval: "1m",
    input_series: Object.entries(series).map(([name, values]) => ({ series: name, values })),
    alert_rule_test: [{ eval_time: `${minute}m`, alertname: alert, exp_alerts: expected }],
  };
}

/** The alert that is to fire, with its texts. */
function expectedOf(rule: AlertRule, { labels = {}, value = "" }: FiringCase): object {
  const texts = Object.entries(rule.annotations).map(([name, template]) => [
    name,
    template.replace(/\{\{ \$labels\.(\w+) \}\}/g, (_, label: string) => labels[label] ?? "")
      .replace(/\{\{ \$value [^}]*\}\}/g, value),
  ]);
  return {
    exp_labels: { ...rule.labels, ...labels },
    exp_annotations: Object.fromEntries(texts),
  };
}

const reason = !runsLongTests
  ? "it does not depend on the runtime, and runs on Deno"
  : "promtool is not installed, and this user may not install it";
const testPromtool: typeof test = runsLongTests && hasPromtool
  ? test
  : (name) => skip(name, reason);

testPromtool("Each alert fires when it is to, with its texts, and otherwise does not", async () => {
  const tests = (await readRules()).flatMap((rule) => {
    const cases = ALERT_CASES[rule.alert]!;
    return [
      ...cases.fires.map((one) => testOf(rule.alert, one, [expectedOf(rule, one)])),
      ...cases.quiet.map((one) => testOf(rule.alert, one, [])),
    ];
  });
  const file = { rule_files: ["alerts.yaml"], evaluation_interval: "1m", tests };
  await promtool({ "tests.yaml": JSON.stringify(file) }, "test", "rules", "tests.yaml");
});

testPromtool(
  "promtool accepts the rules, the queries of the dashboard, and the configuration of the docs",
  async () => {
    const rules = expressionsOf(await readDashboard()).map((expression, i) => ({
      record: `panel:${i}`,
      expr: withoutVariables(expression),
    }));
    const queries = JSON.stringify({ groups: [{ name: "dashboard", rules }] });
    const page = await readPage("docs/prometheus.md");
    const [, config = ""] = /```yaml\n(scrape_configs[^]+?)```/.exec(page)!;
    const files = { "queries.yaml": queries, "prometheus.yaml": config };
    assertStringIncludes(await promtool(files, "check", "rules", "queries.yaml"), "SUCCESS");
    const checked = await promtool(files, "check", "config", "--syntax-only", "prometheus.yaml");
    assertStringIncludes(checked, "SUCCESS");
  },
);
