import type { ActorCounts, HistoryMinute, WorkerReport } from "./inspection_reports.ts";

/** Numbers of messages by actor. */
export type CountsByActor = Readonly<Record<string, ActorCounts>>;

/** A worker of this process, as its broker reports it to others. */
export interface ReportSource {
  /** The report; `undefined` while the worker has not begun. */
  report(): WorkerReport | undefined;

  /** Counts since the last call, by actor; `undefined` if there are none. */
  takeCounts(): CountsByActor | undefined;

  /** Takes counts back that could not be stored. */
  returnCounts(counts: CountsByActor): void;

  /** The last hour, if the broker is in memory: others store it elsewhere. */
  readonly minutes: readonly HistoryMinute[];
}

const MINUTE = 60_000;

/** Begin of the minute of a time. */
export function minuteOf(time: number): number {
  return Math.floor(time / MINUTE) * MINUTE;
}

/**
 * Adds counts up by minute and actor.
 *
 * @param parts Counts of minutes, in any order.
 * @param minutes Number of minutes of the result.
 * @param now The current time.
 * @returns The minutes, the oldest first, the current one last, also those without counts.
 */
export function sumMinutes(
  parts: Iterable<HistoryMinute>,
  minutes: number,
  now: number,
): HistoryMinute[] {
  const last = minuteOf(now);
  const sums = new Map<number, Record<string, ActorCounts>>();
  for (let i = minutes - 1; i >= 0; i--) sums.set(last - i * MINUTE, {});
  for (const { at, actors } of parts) {
    const sum = sums.get(at);
    if (sum === undefined) continue;
    for (const [name, counts] of Object.entries(actors)) sum[name] = addCounts(sum[name], counts);
  }
  return Array.from(sums, ([at, actors]) => ({ at, actors }));
}

/** Adds two counts up. */
export function addCounts(a: ActorCounts | undefined, b: ActorCounts): ActorCounts {
  if (a === undefined) return b;
  return {
    done: a.done + b.done,
    failed: a.failed + b.failed,
    retried: a.retried + b.retried,
    dead: a.dead + b.dead,
  };
}
