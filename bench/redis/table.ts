import type { Findings } from "./assignment.ts";
import type { Row, Section } from "./rows.ts";

/** A row with its times, in µs a message. */
export interface Result {
  readonly row: Row;
  readonly median: number;
  readonly fastest: number;
  /** Processor time of the process under test, without Redis; the median. */
  readonly processor: number;
}

/** The rows of a section and what was measured. */
export interface SectionResult {
  readonly section: Section;
  readonly results: readonly Result[];
}

/**
 * Sums up the runs of a row.
 *
 * @param row The row.
 * @param runs What was found in each.
 */
export function summarize(row: Row, runs: readonly Findings[]): Result {
  const perMessage = (times: readonly number[]) =>
    times.map((time) => time * 1_000 / row.messages).toSorted((a, b) => a - b);
  const times = perMessage(runs.flatMap(({ times }) => times));
  const processor = perMessage(runs.flatMap(({ processorTimes = [] }) => processorTimes));
  const middle = times.length >> 1;
  return { row, median: times[middle]!, fastest: times[0]!, processor: processor[middle]! };
}

/** The quickest row of a contestant, if it was measured. */
export function best({ results }: SectionResult, contestant: string): Result | undefined {
  return results.filter(({ row }) => row.contestant === contestant)
    .toSorted((a, b) => a.median - b.median)[0];
}

/** Of how much of the speed of the bare row a row has, 1 being the same. */
export function shareOfBare({ results }: SectionResult, { row, median }: Result): number {
  const bare = results.find(({ row: { name } }) => name === row.bare);
  return bare === undefined ? NaN : bare.median / median;
}

/** Prints a section: times, and ratios to what stands beside it. */
export function printSection(result: SectionResult): void {
  const { section, results } = result;
  if (results.length === 0) return;
  console.log(line(section.title, ["median", "fastest", "CPU", "of bare", "× BullMQ", "messages"]));
  const bull = best(result, "bullmq");
  for (const one of results) {
    const { row, median, fastest, processor } = one;
    const share = shareOfBare(result, one);
    const times = bull === undefined || row.contestant === "bullmq" ? NaN : bull.median / median;
    console.log(line(`  ${row.name}`, [
      median.toFixed(2),
      fastest.toFixed(2),
      processor.toFixed(2),
      Number.isNaN(share) ? "" : `${(share * 100).toFixed(0)} %`,
      Number.isNaN(times) ? "" : times.toFixed(1),
      `${row.messages}`,
    ]));
  }
  console.log();
}

function line(name: string, columns: readonly string[]): string {
  return name.padEnd(44) + columns.map((column) => column.padStart(9)).join("");
}
