import type { Findings } from "../contest/findings.ts";
import { commandOf, runContestant as run } from "../contest/run_contestant.ts";
import type { Assignment } from "./assignment.ts";
import type { ContestantName, Work } from "./rows.ts";

/** Work to do; who fills queues follows from who it is. */
type OpenAssignment = Work & Pick<Assignment, "server" | "serverPid" | "sendBatch" | "size">;

const BARE = new URL("bare.ts", import.meta.url);
// The peers are a package of their own, which the library's configuration does not know.
const BY_THEMSELVES = ["--no-config", "--node-modules-dir=manual"];

const peer = (name: string) =>
  commandOf(new URL(`../peers/${name}.mjs`, import.meta.url), [], BY_THEMSELVES);

const COMMANDS = {
  "bare": commandOf(BARE, []),
  "bare json": commandOf(BARE, ["json"]),
  "bare two": commandOf(BARE, ["two"]),
  "ours": commandOf(new URL("ours.ts", import.meta.url), []),
  "bullmq": peer("bullmq"),
  "bee-queue": peer("bee-queue"),
  "pg-boss": peer("pg-boss"),
  "graphile-worker": peer("graphile-worker"),
} as const satisfies Record<ContestantName, unknown>;

/**
 * Runs a contestant in a new process of this runtime.
 *
 * @param name Which.
 * @param assignment What it is to do.
 * @throws {Error} If it fails or hangs.
 */
export function runContestant(
  name: ContestantName,
  assignment: OpenAssignment,
): Promise<Findings> {
  const command = COMMANDS[name];
  return run(command, { ...assignment, filler: command });
}
