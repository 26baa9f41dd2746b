import type { Findings } from "./findings.ts";

/** A row with its times, in µs a message. */
export interface Result<Row> {
  readonly row: Row;
  readonly median: number;
  readonly fastest: number;
  /** Processor time of the process under test, without the server; the median. */
  readonly processor: number;
  /** That of the server; the median. */
  readonly server: number;
}

/**
 * Sums up the runs of a row.
 *
 * @param row The row.
 * @param messages How many messages a run is.
 * @param runs What was found in each.
 */
export function summarize<Row>(
  row: Row,
  messages: number,
  runs: readonly Findings[],
): Result<Row> {
  const perMessage = (times: readonly number[]) =>
    times.map((time) => time * 1_000 / messages).toSorted((a, b) => a - b);
  const times = perMessage(runs.flatMap(({ times }) => times));
  const processor = perMessage(runs.flatMap(({ processorTimes = [] }) => processorTimes));
  const server = perMessage(runs.flatMap(({ serverTimes = [] }) => serverTimes));
  const middle = times.length >> 1;
  return {
    ...{ row, median: times[middle]!, fastest: times[0]! },
    ...{ processor: processor[middle]!, server: server[middle] ?? NaN },
  };
}

/** One line of a table. */
export function line(name: string, columns: readonly string[]): string {
  return name.padEnd(52) + columns.map((column) => column.padStart(9)).join("");
}

/** Prints what the columns of {@linkcode printPickUp} are. */
export function printPickUpTitle(): void {
  console.log(line("idle pick-up, ms", ["p50", "p95", "messages"]));
}

/**
 * Prints how long messages took from `send` to an idle worker.
 *
 * @param name Whose they are.
 * @param times Milliseconds.
 * @returns The median.
 */
export function printPickUp(name: string, times: readonly number[]): number {
  const sorted = times.toSorted((a, b) => a - b);
  const at = (share: number) => sorted[Math.floor(sorted.length * share)]!;
  console.log(line(`  ${name}`, [at(0.5).toFixed(2), at(0.95).toFixed(2), `${sorted.length}`]));
  return at(0.5);
}
