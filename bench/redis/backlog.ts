import type { ServerAddress } from "../../tests/support/servers/exchange.ts";
import { printBacklogBudget } from "./budgets.ts";
import type { BenchOptions } from "./options.ts";
import { runContestant } from "./run_contestant.ts";

const CONCURRENCY = 100;
/** Small backlogs are over soon, so that there have to be some. */
const SMALL_ROUNDS = 20;

/**
 * Compares how fast a small and a large backlog are worked off, and prints it. The bare
 * loop stands beside it: the server itself is slower with more keys than its caches hold.
 *
 * @returns Whether ours does as the design asks for.
 */
export async function compareBacklogs(
  { host, port }: ServerAddress,
  { backlogs: [small, large], contestants, sendBatch, size, runs }: BenchOptions,
): Promise<boolean> {
  console.log(`messages a second, concurrency ${CONCURRENCY}`.padEnd(44) + columns(small, large));
  let isWell = true;
  for (const contestant of ["bare", "ours"] as const) {
    if (!contestants.has(contestant)) continue;
    const rates = [];
    for (const messages of [small, large]) {
      const rounds = messages === small ? SMALL_ROUNDS : runs;
      const { times, problem } = await runContestant(contestant, {
        ...{ server: { host, port }, sendBatch, size, prefetch: 2 * CONCURRENCY },
        ...{ task: "process", concurrency: CONCURRENCY, messages, rounds },
      });
      if (problem !== undefined) throw new Error(`Cannot work off a backlog: ${problem}`);
      const median = times.toSorted((a, b) => a - b)[times.length >> 1]!;
      rates.push(messages / median * 1_000);
    }
    const [slow, fast] = [rates[1]!, rates[0]!];
    console.log(`  ${contestant}`.padEnd(44) + columns(fast, slow) + (slow / fast).toFixed(2));
    if (contestant === "ours") isWell = printBacklogBudget(slow, fast);
  }
  return isWell;
}

function columns(...numbers: number[]): string {
  return numbers.map((number) => number.toFixed(0).padStart(10)).join("").concat("    ");
}
