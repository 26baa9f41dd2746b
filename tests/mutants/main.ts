/**
 * Puts mistakes into copies of the library, one at a time, and says which of them the tests
 * notice: `deno task mutants`.
 *
 * @module
 */

import process from "node:process";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { findStale, judgeAll } from "./judge.ts";
import { complaints, formatJudged, formatScores } from "./report.ts";
import { select, TABLE } from "./table.ts";
import { runOnDeno } from "./test_run.ts";

const USAGE = `Usage: deno task mutants [--jobs N] [--only PATH|NUMBER[-NUMBER]]... [--stale]

  --jobs N   how many mutants at the same time (1)
  --only     mutants with this number, or in files whose paths contain this; may be repeated
  --stale    only says which entries of the table fit no longer, and runs nothing
`;
/** Milliseconds that the tests of a mutant may take. */
const TIMEOUT = 180_000;

const root = fileURLToPath(new URL("../..", import.meta.url));
const { values } = parseArgs({
  options: {
    jobs: { type: "string", default: "1" },
    only: { type: "string", multiple: true, default: [] },
    stale: { type: "boolean", default: false },
    help: { type: "boolean", default: false },
  },
});
const jobs = Number(values.jobs);
if (values.help || !Number.isSafeInteger(jobs) || jobs < 1) {
  console.log(USAGE);
  process.exit(values.help ? 0 : 2);
}

const chosen = select(values.only);
if (chosen.length === 0) {
  console.error(`Cannot find mutants: there are none for ${values.only.join(", ")}`);
  process.exit(2);
}
const numbers = new Map(chosen.map(({ mutant, number }) => [mutant, number]));
const mutants = [...numbers.keys()];

if (values.stale) {
  const stale = await findStale(mutants, root);
  for (const one of stale) console.log(formatJudged(numbers.get(one.mutant)!, one));
  process.exit(stale.length === 0 ? 0 : 1);
}
const judged = await judgeAll(
  mutants,
  { root, jobs, runTests: runOnDeno, timeout: TIMEOUT },
  (one) => console.log(formatJudged(numbers.get(one.mutant)!, one)),
);
const areas = Object.entries(TABLE).map(([area, all]) => {
  return { area, judged: judged.filter(({ mutant }) => all.includes(mutant)) };
});
console.log(`\n${formatScores(areas)}\n`);
const wrong = complaints(judged);
for (const text of wrong) console.error(text);
process.exit(wrong.length === 0 ? 0 : 1);
