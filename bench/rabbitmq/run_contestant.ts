import type { Findings } from "../contest/findings.ts";
import { commandOf, runContestant as run } from "../contest/run_contestant.ts";
import type { Work } from "./assignment.ts";
import type { ContestantName } from "./rows.ts";

const BARE = new URL("bare.ts", import.meta.url);

const COMMANDS = {
  "bare": commandOf(BARE, []),
  "bare json": commandOf(BARE, ["json"]),
  "bare together": commandOf(BARE, ["together"]),
  "ours": commandOf(new URL("ours.ts", import.meta.url), []),
} as const satisfies Record<ContestantName, unknown>;

/**
 * Runs a contestant in a new process of this runtime.
 *
 * @param name Which.
 * @param work What it is to do.
 * @param url Of RabbitMQ.
 * @throws {Error} If it fails or hangs.
 */
export function runContestant(name: ContestantName, work: Work, url: string): Promise<Findings> {
  return run(COMMANDS[name], { ...work, url, filler: COMMANDS.bare });
}
