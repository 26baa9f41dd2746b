/**
 * Outcome of messages, results and limits when some of several servers fail: each engine
 * with each fault.
 *
 * `deno task torture:clusters [engine ...] [--fault text]`, also with bun and node; an engine is a
 * part of a name. Engines run side by side. Prints a table, and what must not be.
 *
 * @module
 */
import process from "node:process";
import { parseArgs } from "node:util";
import { ENGINES } from "./engines.ts";
import { problemsOf, tableOf } from "./report.ts";
import { runTrials } from "./trial.ts";

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { fault: { type: "string", default: "" } },
});
const wanted = positionals.map((text) => text.toLowerCase());
const engines = ENGINES.filter(({ name }) =>
  wanted.length === 0 || wanted.some((text) => name.toLowerCase().includes(text))
);
const outcomes = await Promise.all(
  engines.map((engine) => runTrials(engine, ({ name }) => name.includes(values.fault))),
);
console.log(tableOf(outcomes.flat()));
for (const { name, settings } of engines) console.log(`\n${name}: ${settings}`);
const problems = problemsOf(outcomes.flat());
for (const problem of problems) console.log(`\n${problem}`);
process.exit(problems.length === 0 ? 0 : 1);
