/**
 * Runs the whole reconnect matrix: each server, each fault, each activity.
 *
 * `deno run -A tests/reconnect/torture.ts [server] [--duration ms] [--fault text]`, also with bun
 * and node; about four minutes. Prints a table of recovery times for each server, and what was wrong.
 *
 * @module
 */
import process from "node:process";
import { parseArgs } from "node:util";
import { runMatrix } from "./matrix.ts";
import { problemsOf, tableOf } from "./report.ts";
import { SYSTEMS } from "./systems.ts";

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    duration: { type: "string", default: "8000" },
    fault: { type: "string", default: "" },
    activity: { type: "string", default: "" },
  },
});
const problems: string[] = [];
for (const system of SYSTEMS) {
  const isChosen = positionals.length === 0 || positionals.includes(system.name.toLowerCase());
  if (!isChosen) continue;
  const outcomes = await runMatrix(system, {
    duration: Number(values.duration),
    atOnce: 2,
    isChosen: (fault, activity) =>
      fault.name.includes(values.fault) && activity.name.includes(values.activity),
  });
  console.log(`${tableOf(system, outcomes)}\n`);
  for (const problem of problemsOf(outcomes)) {
    console.log(problem);
    problems.push(problem);
  }
}
process.exit(problems.length === 0 ? 0 : 1);
