/**
 * Answers: what does a pickle do that somebody made to do harm?
 *
 * Reads pickles of Python, and of random values, in which bytes and opcodes were changed,
 * and programs of random opcodes. Each must give a value, which can be written and read
 * again, or a `DecodeError`; no prototype may have changed, and no single one may take long or
 * have the process grow by more than 64 MB. Nor may that have grown in the end, but for garbage.
 *
 *     deno run -A tests/torture/pickle.ts [--pickles 100000] [--seed 1]
 *     bun tests/torture/pickle.ts
 *     node tests/torture/pickle.ts
 *
 * @module
 */
import process from "node:process";
import { parseArgs } from "node:util";
import fc from "fast-check";
import { runtimeVersion } from "../../bench/measure.ts";
import {
  assertPrototypesUntouched,
  isReadable,
  mutatedPickle,
  randomProgram,
} from "../encoders/pickle_arbitraries.ts";
import { bytesInUse } from "./garbage.ts";

/** Megabytes by which the process may grow. */
const MAX_GROWTH = 64;
/** Milliseconds for one pickle, read twice and written twice; far above any that is honest. */
const MAX_TIME = 5_000;
/** Number of pickles that are run before memory is looked at: compilers take theirs first. */
const WARM_UP = 5_000;

const { values } = parseArgs({
  options: {
    pickles: { type: "string", default: "100000" },
    seed: { type: "string", default: String(Math.floor(Math.random() * 2 ** 31)) },
  },
});
const count = Number(values.pickles);
const seed = Number(values.seed);
console.log(`${runtimeVersion()}, ${count} pickles, seed ${seed}`);

const found = { values: 0, refused: 0, slowest: 0, largest: 0 };
run(WARM_UP, seed + 1);
const before = bytesInUse();
run(count, seed);
assertPrototypesUntouched();

const growth = (bytesInUse() - before) / 2 ** 20;
console.log(
  `${found.values} values, ${found.refused} refused; the slowest took ` +
    `${found.slowest.toFixed(1)} ms, the largest ${found.largest.toFixed(1)} MB; after all of ` +
    `them ${growth.toFixed(1)} MB more are in use`,
);
if (Math.max(found.largest, growth) > MAX_GROWTH || found.slowest > MAX_TIME) {
  console.error(`Failed: more than ${MAX_GROWTH} MB, or ${MAX_TIME} ms for one pickle`);
  process.exitCode = 1;
}

function run(numRuns: number, seed: number): void {
  fc.assert(
    fc.property(fc.oneof(mutatedPickle, randomProgram), (pickle) => {
      const start = performance.now();
      const megabytes = process.memoryUsage.rss() / 2 ** 20;
      found[isReadable(pickle) ? "values" : "refused"] += 1;
      found.slowest = Math.max(found.slowest, performance.now() - start);
      found.largest = Math.max(found.largest, process.memoryUsage.rss() / 2 ** 20 - megabytes);
    }),
    { numRuns, seed },
  );
}
