import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { locate, type Mutant, mutate } from "./mutant.ts";
import type { RunTests, Selection, TestRun } from "./test_run.ts";
import { TreeCopy } from "./tree.ts";

/**
 * Outcome of a mutant:
 *
 * - `killed`: a test failed.
 * - `timed out`: a test hung until its time-out, and so failed.
 * - `survived`: all tests passed.
 * - `stale`: the exact text is gone, or not unique.
 * - `unfit`: the tests fail without the mistake, too, there are none, or it does not parse.
 */
export type Verdict = "killed" | "timed out" | "survived" | "stale" | "unfit";

/** A mutant, and what became of it. */
export interface Judged {
  readonly mutant: Mutant;
  readonly verdict: Verdict;
  /** The line in the file; `undefined` if it is stale. */
  readonly line: number | undefined;
  /** Milliseconds that the tests took. */
  readonly took: number;
  /** Why it is stale or unfit. */
  readonly reason?: string;
}

/** Options of judging mutants. */
export interface JudgeOptions {
  /** The repository. */
  readonly root: string;
  /** Number of at the same time, each in a copy of its own. */
  readonly jobs: number;
  /** Runs tests. */
  readonly runTests: RunTests;
  /** Milliseconds that tests may take without a mistake; with one, see `timeoutFor`. */
  readonly timeout: number;
}

/** A machine under load is slower, but not by more than this. */
const SLOWER = 3;
/** Milliseconds that any test may take. */
const LEAST_TIMEOUT = 15_000;

/**
 * Puts mistakes into copies of the tree, one at a time in each, and runs their tests there.
 *
 * @param mutants The mistakes.
 * @param options How.
 * @param onJudged Gets each when it is known, in any order.
 * @returns All, in the order of the table.
 */
export async function judgeAll(
  mutants: readonly Mutant[],
  options: JudgeOptions,
  onJudged: (judged: Judged) => void = () => {},
): Promise<Judged[]> {
  const judged = new Map<Mutant, Judged>();
  const baselines = new Map<string, Promise<TestRun>>();
  const left = [...mutants];
  const work = async () => {
    await using copy = await TreeCopy.make(options.root);
    for (let mutant = left.shift(); mutant !== undefined; mutant = left.shift()) {
      const one = await judgeOne(mutant, copy, baselines, options);
      judged.set(mutant, one);
      onJudged(one);
    }
  };
  await Promise.all(Array.from({ length: Math.min(options.jobs, mutants.length) }, work));
  return mutants.map((mutant) => judged.get(mutant)!);
}

/** Gives the mutants whose exact text is gone or not unique, without running anything. */
export async function findStale(mutants: readonly Mutant[], root: string): Promise<Judged[]> {
  const stale = await Promise.all(mutants.map((mutant) => staleness(mutant, root)));
  return stale.filter((one) => one !== undefined);
}

async function judgeOne(
  mutant: Mutant,
  copy: TreeCopy,
  baselines: Map<string, Promise<TestRun>>,
  { runTests, timeout }: JudgeOptions,
): Promise<Judged> {
  const stale = await staleness(mutant, copy.path);
  if (stale !== undefined) return stale;
  const line = locate(await readFile(join(copy.path, mutant.file), "utf8"), mutant) as number;
  const selection: Selection = { tests: mutant.tests, filter: mutant.filter };
  const key = JSON.stringify(selection);
  let baseline = baselines.get(key);
  if (baseline === undefined) {
    baseline = runTwice(() => runTests(copy.path, selection, timeout));
    baselines.set(key, baseline);
  }
  const { end, took } = await baseline;
  if (end !== "passed") {
    const reason = end === "ran none" ? "no test has this name" : `the tests ${end} without it`;
    return { mutant, verdict: "unfit", line, took, reason };
  }
  const run = await copy.with(
    mutant.file,
    (source) => mutate(source, mutant),
    () => runTests(copy.path, selection, Math.min(timeout, timeoutFor(took))),
  );
  if (run.end === "does not parse") {
    return { mutant, verdict: "unfit", line, took: run.took, reason: "it does not parse" };
  }
  const verdict = run.end === "failed"
    ? "killed"
    : run.end === "timed out"
    ? "timed out"
    : "survived";
  return { mutant, verdict, line, took: run.took };
}

/** Milliseconds that tests may take with a mistake, by what they took without. */
function timeoutFor(took: number): number {
  return LEAST_TIMEOUT + SLOWER * took;
}

/** Once more if it does not pass at first: it may be the machine. */
async function runTwice(run: () => Promise<TestRun>): Promise<TestRun> {
  const first = await run();
  return first.end === "failed" || first.end === "timed out" ? await run() : first;
}

async function staleness(mutant: Mutant, root: string): Promise<Judged | undefined> {
  const source = await readFile(join(root, mutant.file), "utf8").catch(() => undefined);
  const place = source === undefined ? "gone" : locate(source, mutant);
  if (typeof place === "number") return undefined;
  const reason = source === undefined ? "the file is gone" : `its text is ${place}`;
  return { mutant, verdict: "stale", line: undefined, took: 0, reason };
}
