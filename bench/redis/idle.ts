import type { ServerAddress } from "../../tests/support/servers/exchange.ts";
import { printPickUp, printPickUpTitle } from "../contest/table.ts";
import type { Assignment } from "./assignment.ts";
import type { IdleResult } from "./budgets.ts";
import type { BenchOptions } from "./options.ts";
import { runContestant } from "./run_contestant.ts";

const PICK_UPS = 400;
const IDLE_SECONDS = 12;
const CONTESTANTS = ["ours", "bullmq"] as const;

/**
 * Measures how long a message takes from before `send` to the start of its actor, when
 * the worker is idle, and prints it.
 *
 * @returns Our median, in milliseconds, if this library was measured.
 */
export async function measurePickUp(
  server: ServerAddress,
  options: BenchOptions,
): Promise<number | undefined> {
  printPickUpTitle();
  let ours: number | undefined;
  for (const contestant of CONTESTANTS) {
    if (!options.contestants.has(contestant)) continue;
    const assignment = { ...place(server, options), task: "pickUp", messages: PICK_UPS } as const;
    const { times, problem } = await runContestant(contestant, assignment);
    if (problem !== undefined) throw new Error(`Cannot measure the pick-up: ${problem}`);
    const median = printPickUp(contestant, times);
    if (contestant === "ours") ours = median;
  }
  console.log();
  return ours;
}

/** Counts the commands a second of an idle worker and prints them. */
export async function measureIdle(
  server: ServerAddress,
  options: BenchOptions,
): Promise<IdleResult> {
  console.log(`commands of an idle worker in ${IDLE_SECONDS} s`);
  let result: IdleResult = {};
  for (const contestant of CONTESTANTS) {
    if (!options.contestants.has(contestant)) continue;
    const assignment = { ...place(server, options), task: "idle", seconds: IDLE_SECONDS } as const;
    const { commands = {} } = await runContestant(contestant, assignment);
    const total = Object.values(commands).reduce((sum, count) => sum + count, 0);
    const list = Object.entries(commands).map(([name, count]) => `${count} ${name}`).join(", ");
    const rate = total / IDLE_SECONDS;
    console.log(`  ${contestant.padEnd(10)}${rate.toFixed(2)} a second (${list})`);
    if (contestant === "ours") result = { commands: rate };
  }
  console.log();
  return result;
}

function place({ host, port }: ServerAddress, { sendBatch, size }: BenchOptions) {
  return { server: { host, port }, sendBatch, size } satisfies Partial<Assignment>;
}
