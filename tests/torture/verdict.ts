import { explainRuns, type Incident } from "./causes.ts";
import type { Ledger } from "./ledger.ts";

/** What became of all messages. */
export interface Verdict {
  /** How many `send`s resolved. */
  readonly sent: number;
  /** How many `send`s rejected, by the class of their error. */
  readonly rejected: ReadonlyMap<string, number>;
  /** How many messages ran though their `send` rejected. */
  readonly rejectedButDone: number;
  /** Milliseconds that the slowest `send` took to resolve or reject. */
  readonly slowestSending: number;
  /** Messages whose `send` resolved, and of which no run succeeded. */
  readonly lost: readonly number[];
  /** Messages that ran though nobody sent them. */
  readonly strange: readonly number[];
  /** How often actors began. */
  readonly runs: number;
  /** How many runs failed on purpose. */
  readonly failedRuns: number;
  /** How many runs were under way when their process was killed. */
  readonly cutShort: number;
  /** How many runs were too many, by cause. */
  readonly duplicates: ReadonlyMap<string, number>;
  /** Messages with a run too many for which there is no cause. */
  readonly unexplained: readonly number[];
}

/** Judges what the processes noted by what was done to them. */
export function judge(ledger: Ledger, incidents: readonly Incident[]): Verdict {
  const rejected = new Map<string, number>();
  const duplicates = new Map<string, number>();
  const [lost, strange, unexplained]: [number[], number[], number[]] = [[], [], []];
  let [runs, failedRuns, cutShort, rejectedButDone, slowestSending] = [0, 0, 0, 0, 0];
  const killed = new Set(
    incidents.filter(({ kind }) => kind === "kill").map(({ target }) => target),
  );
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
    for (const { process, ended, isFailed } of story.runs) {
      runs++;
      if (isFailed) failedRuns++;
      if (ended === undefined && killed.has(process)) cutShort++;
    }
    for (const cause of explainRuns(story, incidents)) {
      if (cause === undefined) unexplained.push(number);
      else increment(duplicates, cause);
    }
  }
  return {
    sent: ledger.sent,
    ...{ rejected, rejectedButDone, slowestSending, lost, strange },
    ...{ runs, failedRuns, cutShort, duplicates, unexplained },
  };
}

function increment(counts: Map<string, number>, name: string): void {
  counts.set(name, (counts.get(name) ?? 0) + 1);
}
