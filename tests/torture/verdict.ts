import { explainRuns, type Incidents } from "./causes.ts";
import type { Ledger, Run, Story } from "./ledger.ts";

/** Outcome of all messages. */
export interface Verdict {
  /** Number of `send`s that resolved. */
  readonly sent: number;
  /** Number of `send`s that rejected, by the class of their error. */
  readonly rejected: ReadonlyMap<string, number>;
  /** Number of messages that ran though their `send` rejected. */
  readonly rejectedButDone: number;
  /** Milliseconds that the slowest `send` took to resolve or reject. */
  readonly slowestSending: number;
  /** Messages whose `send` resolved, and of which no run succeeded. */
  readonly lost: readonly number[];
  /** Messages that ran and were never sent. */
  readonly strange: readonly number[];
  /** Number of times actors began. */
  readonly runs: number;
  /** Number of runs that failed on purpose. */
  readonly failedRuns: number;
  /** Number of runs that were under way when their process was killed. */
  readonly cutShort: number;
  /** Milliseconds from the kill until such a message ran again, of each. */
  readonly recoveries: readonly number[];
  /** Number of runs that were too many, by cause. */
  readonly duplicates: ReadonlyMap<string, number>;
  /** Messages with a run too many for which there is no cause. */
  readonly unexplained: readonly number[];
}

/** Judges what the processes noted by what was done to them. */
export function judge(ledger: Ledger, incidents: Incidents): Verdict {
  const rejected = new Map<string, number>();
  const duplicates = new Map<string, number>();
  const [lost, strange, unexplained]: [number[], number[], number[]] = [[], [], []];
  const recoveries: number[] = [];
  let [runs, failedRuns, cutShort, rejectedButDone, slowestSending] = [0, 0, 0, 0, 0];
  for (const [number, story] of ledger.stories) {
    const { sending, isDone } = story;
    if (sending === undefined) strange.push(number);
    else if (sending.error !== undefined) {
      increment(rejected, sending.error);
      if (isDone) rejectedButDone++;
    } else if (!isDone) lost.push(number);
    if (sending !== undefined) {
      slowestSending = Math.max(slowestSending, sending.to - sending.from);
    }
    for (const run of story.runs) {
      runs++;
      if (run.isFailed) failedRuns++;
      const killedAt = run.ended === undefined ? incidents.timeOfKill(run.process) : undefined;
      if (killedAt === undefined) continue;
      cutShort++;
      const next = findNext(story, run);
      if (next !== undefined) recoveries.push(next.begun - killedAt);
    }
    for (const cause of explainRuns(story, incidents)) {
      if (cause === undefined) unexplained.push(number);
      else increment(duplicates, cause);
    }
  }
  return {
    sent: ledger.sent,
    ...{ rejected, rejectedButDone, slowestSending, lost, strange },
    ...{ runs, failedRuns, cutShort, recoveries, duplicates, unexplained },
  };
}

function findNext({ runs }: Story, { begun }: Run): Run | undefined {
  return runs.toSorted((a, b) => a.begun - b.begun).find((run) => run.begun > begun);
}

function increment(counts: Map<string, number>, name: string): void {
  counts.set(name, (counts.get(name) ?? 0) + 1);
}
