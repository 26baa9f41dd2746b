import type { Pause } from "../control/pauses.ts";
import type { QueueOverview } from "../core/inspection.ts";
import type { ActorCounts, HistoryMinute, WorkerReport } from "../core/inspection_reports.ts";

/** An outage of the broker. */
export interface Outage {
  /** When it began, in milliseconds since the epoch. */
  readonly since: number;
  /** The error. */
  readonly reason: string;
  /** Time of the next attempt, in milliseconds since the epoch. */
  readonly retryAt: number;
}

/** State of a broker at one time, without messages. */
export interface Snapshot {
  /** When it was read, by the clock of the server. */
  readonly now: number;
  /** When it was read, by the clock of this process. */
  readonly readAt: number;
  /** The queues, by name. */
  readonly queues: readonly QueueOverview[];
  /** True if there are more queues than one reading returns. */
  readonly isPartial: boolean;
  /** Paused queues, by name; `undefined` without a control store. */
  readonly paused: ReadonlyMap<string, Pause> | undefined;
  /** Paused actors, by name; `undefined` without a control store. */
  readonly pausedActors: ReadonlyMap<string, Pause> | undefined;
  /** The workers; `undefined` if the broker does not list them. */
  readonly workers: readonly WorkerReport[] | undefined;
  /** The last hour; `undefined` if the broker has no history. */
  readonly history: readonly HistoryMinute[] | undefined;
}

/** Figures of the whole broker. */
export interface Figures {
  readonly ready: number | undefined;
  /** Age of the oldest waiting message on queues that are not paused, in milliseconds. */
  readonly oldest: number | undefined;
  /** The queue of that message. */
  readonly oldestQueue: string | undefined;
  readonly dead: number | undefined;
  readonly running: number | undefined;
  readonly slots: number | undefined;
  readonly donePerSecond: number | undefined;
  readonly failedPerMinute: number | undefined;
  /** Messages that became dead letters in the last ten minutes. */
  readonly died: number | undefined;
}

/** Numbers of messages per minute, of one actor or of all. */
export interface Rates {
  readonly done: readonly number[];
  readonly failed: readonly number[];
  readonly dead: readonly number[];
}

/** Number of recent minutes. */
const RECENT = 10;

/** Calculates the figures at the top of the first page. */
export function figuresOf(snapshot: Snapshot): Figures {
  const { queues, workers, history } = snapshot;
  const reporting = workers?.filter((one) => one.hasReport);
  const oldest = oldestOf(snapshot);
  const done = history && lastMinute(history, "done", snapshot.now);
  return {
    ready: queues.length === 0 ? 0 : sum(queues.map((one) => one.ready)),
    oldest: oldest?.age,
    oldestQueue: oldest?.queueName,
    dead: sum(queues.map((one) => one.dead)),
    running: reporting && (sum(reporting.map((one) => one.running)) ?? 0),
    slots: reporting && (sum(reporting.map((one) => one.concurrency)) ?? 0),
    donePerSecond: done === undefined ? undefined : done / 60,
    failedPerMinute: history && lastMinute(history, "failed", snapshot.now),
    died: history?.slice(-RECENT).reduce((total, one) => total + totalOf(one, "dead"), 0),
  };
}

function oldestOf(snapshot: Snapshot): { age: number; queueName: string } | undefined {
  const waiting = snapshot.queues
    .filter(({ queueName, headSince }) =>
      headSince !== undefined && !snapshot.paused?.has(queueName)
    )
    .toSorted((a, b) => a.headSince! - b.headSince!);
  const [first] = waiting;
  if (first === undefined) return undefined;
  return { age: ageOf(snapshot, first)!, queueName: first.queueName };
}

/** Age of the oldest waiting message of a queue, in milliseconds. */
export function ageOf({ now }: Snapshot, { headSince }: QueueOverview): number | undefined {
  return headSince === undefined ? undefined : Math.max(0, now - headSince);
}

/** Sum of the known values; `undefined` if none is known. */
export function sum(values: readonly (number | undefined)[]): number | undefined {
  const known = values.filter((value) => value !== undefined);
  return known.length === 0 ? undefined : known.reduce((total, value) => total + value, 0);
}

/** Estimate for the last sixty seconds, from the current minute and a part of the previous one. */
function lastMinute(
  history: readonly HistoryMinute[],
  name: keyof ActorCounts,
  now: number,
): number | undefined {
  const [before, present] = [history.at(-2), history.at(-1)];
  if (before === undefined || present === undefined) return undefined;
  const rest = 1 - Math.min(1, Math.max(0, (now - present.at) / 60_000));
  return totalOf(before, name) * rest + totalOf(present, name);
}

function totalOf(minute: HistoryMinute, name: keyof ActorCounts): number {
  return Object.values(minute.actors).reduce((total, counts) => total + counts[name], 0);
}

/**
 * Rates of the last hour by actor, the busiest first.
 *
 * @param others Names of actors to include even without history.
 */
export function ratesByActor(
  history: readonly HistoryMinute[],
  others: Iterable<string> = [],
): [string, Rates][] {
  const names = new Set(others);
  for (const { actors } of history) for (const name of Object.keys(actors)) names.add(name);
  const rates = Array.from(names, (name): [string, Rates] => [name, ratesOf(history, name)]);
  const total = ({ done, failed }: Rates) => (sum(done) ?? 0) + (sum(failed) ?? 0);
  return rates.toSorted(([, a], [, b]) => total(b) - total(a));
}

/** Rates of the last hour of all actors together. */
export function allRates(history: readonly HistoryMinute[]): Rates {
  return {
    done: history.map((one) => totalOf(one, "done")),
    failed: history.map((one) => totalOf(one, "failed")),
    dead: history.map((one) => totalOf(one, "dead")),
  };
}

function ratesOf(history: readonly HistoryMinute[], name: string): Rates {
  const values = (count: keyof ActorCounts) =>
    history.map(({ actors }) => Object.hasOwn(actors, name) ? actors[name]![count] : 0);
  return { done: values("done"), failed: values("failed"), dead: values("dead") };
}
