import { best, type SectionResult, shareOfBare } from "./table.ts";

/** Budget: what the design asks for, and whether it is so. */
interface Budget {
  readonly what: string;
  readonly found: number;
  readonly limit: number;
  readonly unit: string;
  /** True if less is better. @default {false} */
  readonly isCeiling?: boolean;
}

/** Numbers besides those of the sections. */
export interface IdleResult {
  /** Median of the milliseconds from `send` to the actor's start, when there is no proxy. */
  readonly pickUp?: number;
  /** Commands a second. */
  readonly commands?: number;
}

/**
 * Prints each budget of the design that can be told from what was measured.
 *
 * @param sections What was measured at one latency.
 * @param idle Of this library.
 * @returns Whether all hold.
 */
export function printBudgets(sections: readonly SectionResult[], idle: IdleResult): boolean {
  const budgets = [
    ...sections.flatMap(budgetsOf),
    { what: "idle pick-up, p50", found: idle.pickUp, limit: 2, unit: " ms", isCeiling: true },
    { what: "idle worker", found: idle.commands, limit: 2, unit: " commands/s", isCeiling: true },
  ].filter((budget): budget is Budget => budget.found !== undefined && !Number.isNaN(budget.found));
  if (budgets.length === 0) return true;
  console.log("budgets");
  for (const budget of budgets) printBudget(budget);
  console.log();
  return budgets.every(holds);
}

/** Prints whether a large backlog is as fast as a small one. */
export function printBacklogBudget(large: number, small: number): boolean {
  const budget = { what: "large backlog, of the small one", found: large / small, limit: 0.9 };
  printBudget({ ...budget, unit: " ×" });
  return budget.found >= budget.limit;
}

function budgetsOf(result: SectionResult): Partial<Budget>[] {
  const { section, results } = result;
  if (section.key === "serial") return [];
  const ours = section.key === "process"
    ? best(result, "ours")
    : results.find(({ row }) => row.name === "ours: concurrent send");
  if (ours === undefined) return [];
  const addBulk = results.filter(({ row }) => row.name.includes("addBulk"))
    .toSorted((a, b) => a.median - b.median)[0];
  const [name, limit, peer] = section.key === "process"
    ? ["processing", 10, best(result, "bullmq")] as const
    : ["concurrent send", 5, addBulk] as const;
  return [
    {
      what: `${name}, to BullMQ at its best`,
      found: peer && peer.median / ours.median,
      limit,
      unit: " ×",
    } as Partial<Budget>,
    {
      what: `${name}, of the bare loop`,
      found: shareOfBare(result, ours) * 100,
      limit: 50,
      unit: " %",
    },
  ];
}

function printBudget(budget: Budget): void {
  const { what, found, limit, unit, isCeiling = false } = budget;
  const bound = `${isCeiling ? "at most" : "at least"} ${limit}${unit}`;
  const value = `${found.toFixed(found < 100 ? 2 : 0)}${unit}`;
  console.log(
    `  ${what.padEnd(38)}${value.padStart(18)}   ${bound.padEnd(24)}${
      holds(budget) ? "holds" : "MISSED"
    }`,
  );
}

function holds({ found, limit, isCeiling = false }: Budget): boolean {
  return isCeiling ? found <= limit : found >= limit;
}
