/** Budget, and what was found. */
export interface Budget {
  readonly what: string;
  readonly found: number;
  /** Highest value. */
  readonly limit: number;
  readonly unit: string;
}

/**
 * Prints each budget.
 *
 * @returns Whether all hold.
 */
export function printBudgets(budgets: readonly Budget[]): boolean {
  console.log("budgets");
  for (const { what, found, limit, unit } of budgets) {
    const value = `${Number.isInteger(found) ? found : found.toFixed(2)}${unit}`;
    const verdict = found <= limit ? "holds" : "MISSED";
    console.log(`  ${what.padEnd(46)}${value.padStart(12)}   at most ${limit}${unit}  ${verdict}`);
  }
  return budgets.every(({ found, limit }) => found <= limit);
}
