/**
 * Answers: how long does `import "@dq/dramatiq"` take in a new process?
 *
 * Starts processes of this runtime, as users start programs: some that import an empty module,
 * as many that import the library, in turns, and compares the medians.
 *
 *     deno run -A bench/import_time.ts
 *     bun run bench/import_time.ts
 *     node bench/import_time.ts
 *
 * @module
 */
import { execFileSync } from "node:child_process";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { runtimeVersion } from "./measure.ts";

const RUNS = 15;
/** Milliseconds that the design allows. */
const BUDGET = 60;
const library = new URL("../mod.ts", import.meta.url).href;
const inDeno = "deno" in process.versions;

const empty: number[] = [];
const full: number[] = [];
for (let i = 0; i <= RUNS; i++) {
  const times = [timeToImport("data:text/javascript,"), timeToImport(library)] as const;
  if (i === 0) continue; // fills caches
  empty.push(times[0]);
  full.push(times[1]);
}
const cost = median(full);
console.log(`${runtimeVersion()}, median of ${RUNS} processes each\n`);
console.log(`import of an empty module   ${median(empty).toFixed(1).padStart(6)} ms`);
console.log(`import of the library       ${cost.toFixed(1).padStart(6)} ms`);
console.log(`\nof the budget of ${BUDGET} ms: ${(cost / BUDGET * 100).toFixed(0)} %`);

/** Milliseconds that the import alone takes, as the new process measures it. */
function timeToImport(specifier: string): number {
  const config = fileURLToPath(new URL("../deno.json", import.meta.url));
  const program = fileURLToPath(new URL("timed_import.ts", import.meta.url));
  const args = inDeno ? ["run", "-A", "--config", config, program] : [program];
  return Number(execFileSync(process.execPath, [...args, specifier], { encoding: "utf8" }));
}

function median(values: number[]): number {
  return values.toSorted((a, b) => a - b)[values.length >> 1]!;
}
