import type { Findings } from "../contest/findings.ts";
import { line, printPickUp, printPickUpTitle, summarize } from "../contest/table.ts";
import type { Row, Section } from "./rows.ts";

/** Budget: what the design asks for: at least this share of the speed of a bare loop. */
const SHARE_OF_BARE = 0.9;
/** Budget: what the design asks for: the median pick-up of an idle worker, in milliseconds. */
const PICK_UP = 2;

/** Something that the design asks for. */
interface Budget {
  readonly what: string;
  readonly found: string;
  readonly limit: string;
  readonly holds: boolean;
}

/** Prints what was measured, row by row, and in the end whether it is what it should be. */
export class Table {
  readonly #budgets: Budget[] = [];

  /** Prints a section. */
  addSection(
    { title, messages, rows }: Section,
    found: ReadonlyMap<Row, readonly Findings[]>,
  ): void {
    const results = rows.filter((row) => found.has(row))
      .map((row) => summarize(row, messages, found.get(row)!));
    if (results.length === 0) return;
    const bare = results.filter(({ row }) => row.contestant !== "ours")
      .toSorted((a, b) => a.median - b.median)[0];
    console.log(line(title, ["median", "fastest", "CPU", "of bare", "messages"]));
    for (const { row, median, fastest, processor } of results) {
      const share = bare === undefined ? NaN : bare.median / median;
      const percentage = Number.isNaN(share) ? "" : `${(share * 100).toFixed(0)} %`;
      const numbers = [median, fastest, processor].map((time) => time.toFixed(2));
      console.log(line(`  ${row.name}`, [...numbers, percentage, `${messages}`]));
      if (row.budget === undefined || percentage === "") continue;
      this.#budgets.push({
        what: `${row.budget}, of the quickest bare loop`,
        found: percentage,
        limit: `at least ${SHARE_OF_BARE * 100} %`,
        holds: share >= SHARE_OF_BARE,
      });
    }
    console.log();
  }

  /** Prints how long messages took from `send` to an idle worker, by contestant. */
  addPickUps(pickUps: ReadonlyMap<string, readonly number[]>): void {
    printPickUpTitle();
    for (const [name, times] of pickUps) {
      const median = printPickUp(name, times);
      if (name !== "ours") continue;
      this.#budgets.push({
        what: "idle pick-up, p50",
        found: `${median.toFixed(2)} ms`,
        limit: `at most ${PICK_UP} ms`,
        holds: median <= PICK_UP,
      });
    }
    console.log();
  }

  /** Prints the budgets. */
  printBudgets(): void {
    if (this.#budgets.length > 0) console.log("budgets");
    for (const { what, found, limit, holds } of this.#budgets) {
      const verdict = holds ? "holds" : "MISSED";
      console.log(`  ${what.padEnd(58)}${found.padStart(10)}   ${limit.padEnd(16)}${verdict}`);
    }
  }
}
