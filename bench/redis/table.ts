import { line, type Result } from "../contest/table.ts";
import type { Row, Section } from "./rows.ts";

/** The rows of a section and what was measured. */
export interface SectionResult {
  readonly section: Section;
  readonly results: readonly Result<Row>[];
}

/** The quickest row of a contestant, if it was measured. */
export function best({ results }: SectionResult, contestant: string): Result<Row> | undefined {
  return results.filter(({ row }) => row.contestant === contestant)
    .toSorted((a, b) => a.median - b.median)[0];
}

/** Of how much of the speed of the bare row a row has, 1 being the same. */
export function shareOfBare({ results }: SectionResult, { row, median }: Result<Row>): number {
  const bare = results.find(({ row: { name } }) => name === row.bare);
  return bare === undefined ? NaN : bare.median / median;
}

/** Prints a section: times, and ratios to what stands beside it. */
export function printSection(result: SectionResult): void {
  const { section, results } = result;
  if (results.length === 0) return;
  console.log(
    line(section.title, ["median", "fastest", "CPU", "server", "of bare", "× BullMQ", "messages"]),
  );
  const bull = best(result, "bullmq");
  for (const one of results) {
    const { row, median, fastest, processor, server } = one;
    const share = shareOfBare(result, one);
    const times = bull === undefined || row.contestant === "bullmq" ? NaN : bull.median / median;
    console.log(line(`  ${row.name}`, [
      median.toFixed(2),
      fastest.toFixed(2),
      processor.toFixed(2),
      Number.isNaN(server) ? "" : server.toFixed(2),
      Number.isNaN(share) ? "" : `${(share * 100).toFixed(0)} %`,
      Number.isNaN(times) ? "" : times.toFixed(1),
      `${row.messages}`,
    ]));
  }
  console.log();
}
