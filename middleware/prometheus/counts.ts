import { processId } from "../../platform/process.ts";
import { delayQueueName } from "../../core/queue_names.ts";
import { areMetrics, type Metric, withoutGauges } from "./metric.ts";
import { sum } from "./prom_client.ts";
import { DURATION_BOUNDS, type Series, type Zeros } from "./series.ts";

/**
 * One series in a file: plain numbers in a fixed order. Samples of prom-client repeat labels and
 * names for each of the 27 numbers, and would take twenty times the space and time.
 */
export type Row = readonly [
  actorName: string,
  queueName: string,
  zeros: Zeros,
  messages: number,
  errors: number,
  retries: number,
  rejects: number,
  inProgress: number,
  cancelled: number,
  snoozed: number,
  duration: number,
  ...durations: number[],
];

/** Number of delayed messages in the memory of a process: actor, delay queue, process id, number. */
export type DelayedRow = readonly [string, string, string, number];

/** Counts of one process or several. */
export interface Counts {
  readonly series: readonly Row[];
  readonly delayed: readonly DelayedRow[];
  /** Metrics of the registry of the application. */
  readonly more: readonly Metric[];
}

const IN_PROGRESS = 7;
/** Index of the zeros that are served. */
export const ZEROS_INDEX = 2;
const FIRST_COUNT = 3;
const ROW_LENGTH = 11 + DURATION_BOUNDS.length + 1;

/**
 * Puts series into rows.
 *
 * @param all The series of this process.
 * @param more Metrics of the application.
 */
export function countsOf(all: readonly Series[], more: readonly Metric[]): Counts {
  const pid = String(processId());
  return {
    series: all.map((one) => [
      one.actorName,
      one.queueName,
      one.zeros,
      one.messages,
      one.errors,
      one.retries,
      one.rejects,
      one.inProgress,
      one.cancelled,
      one.snoozed,
      one.duration,
      ...one.durations,
    ]),
    delayed: all.filter(({ hasDelayed }) => hasDelayed).map((
      { actorName, queueName, delayed },
    ) => [actorName, delayQueueName(queueName), pid, delayed]),
    more,
  };
}

/**
 * Removes gauges: a dead process has nothing in progress.
 *
 * @param counts The counts of a dead process.
 */
export function countsOfDead({ series, more }: Counts): Counts {
  return {
    series: series.map((row) => row.with(IN_PROGRESS, 0) as unknown as Row),
    delayed: [],
    more: withoutGauges(more),
  };
}

/**
 * Adds counts up.
 *
 * @param all The counts of each process.
 * @returns Their sum; gauges that name a process stay apart.
 * @throws {TypeError} If prom-client is needed and not installed.
 */
export async function sumOf(all: readonly Counts[]): Promise<Counts> {
  const sums = new Map<string, (string | number)[]>();
  for (const { series } of all) {
    for (const row of series) {
      const key = `${row[0]}\0${row[1]}`;
      const total = sums.get(key);
      if (total === undefined) sums.set(key, [...row]);
      else add(total, row);
    }
  }
  const more = all.map((one) => one.more).filter((metrics) => metrics.length > 0);
  return {
    series: [...sums.values()] as unknown as Row[],
    delayed: all.flatMap(({ delayed }) => delayed),
    more: more.length < 2 ? more[0] ?? [] : await (await sum(more)).getMetricsAsJSON(),
  };
}

function add(total: (string | number)[], row: Row): void {
  total[ZEROS_INDEX] = Math.max(total[ZEROS_INDEX] as number, row[ZEROS_INDEX]);
  for (let i = FIRST_COUNT; i < row.length; i++) {
    total[i] = (total[i] as number) + (row[i] as number);
  }
}

/** True if a value that was read is a {@linkcode Counts}. */
export function areCounts(value: unknown): value is Counts {
  const { series, delayed, more } = value as Partial<Counts>;
  return Array.isArray(series) && series.every(isRow) && Array.isArray(delayed) &&
    delayed.every(isDelayedRow) && areMetrics(more);
}

function isRow(row: unknown): boolean {
  return Array.isArray(row) && row.length === ROW_LENGTH &&
    row.every((value, i) => typeof value === (i < 2 ? "string" : "number"));
}

function isDelayedRow(row: unknown): boolean {
  return Array.isArray(row) && row.length === 4 &&
    row.every((value, i) => typeof value === (i < 3 ? "string" : "number"));
}
