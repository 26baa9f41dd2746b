import type { Row, Section } from "./rows.ts";

/** A row with its times, in µs a message. */
export interface Result {
  readonly row: Row;
  readonly median: number;
  readonly fastest: number;
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
 * @param times Milliseconds of each run.
 */
export function summarize(row: Row, times: readonly number[]): Result {
  const sorted = times.map((time) => time * 1_000 / row.messages).toSorted((a, b) => a - b);
  return { row, median: sorted[sorted.length >> 1]!, fastest: sorted[0]! };
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
  console.log(line(section.title, ["median", "fastest", "of bare", "× BullMQ", "messages"]));
  const bull = best(result, "bullmq");
  for (const one of results) {
    const { row, median, fastest } = one;
    const share = shareOfBare(result, one);
    const times = bull === undefined || row.contestant === "bullmq" ? NaN : bull.median / median;
    console.log(line(`  ${row.name}`, [
      median.toFixed(2),
      fastest.toFixed(2),
      Number.isNaN(share) ? "" : `${(share * 100).toFixed(0)} %`,
      Number.isNaN(times) ? "" : times.toFixed(1),
      `${row.messages}`,
    ]));
  }
  console.log();
}

function line(name: string, columns: readonly string[]): string {
  return name.padEnd(44) + columns.map((column) => column.padStart(10)).join("");
}
