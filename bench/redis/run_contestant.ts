import process from "node:process";
import { fileURLToPath } from "node:url";
import type { Assignment, Findings } from "./assignment.ts";
import type { ContestantName, Work } from "./rows.ts";
import { runToEnd } from "../run_to_end.ts";

/** What it is to do; who fills queues follows from who it is. */
type OpenAssignment = Work & Pick<Assignment, "server" | "sendBatch">;

const PROGRAMS: Record<ContestantName, { file: string; args: string[] }> = {
  "bare": { file: "bare.ts", args: [] },
  "bare json": { file: "bare.ts", args: ["json"] },
  "ours": { file: "ours.ts", args: [] },
  "bullmq": { file: "../peers/bullmq.mjs", args: [] },
};

/**
 * Runs a contestant in a new process of this runtime.
 *
 * @param name Which.
 * @param assignment What it is to do.
 * @throws {Error} If it fails or hangs.
 */
export async function runContestant(
  name: ContestantName,
  assignment: OpenAssignment,
): Promise<Findings> {
  const { file, args } = PROGRAMS[name];
  const program = fileURLToPath(new URL(file, import.meta.url));
  const command = [process.execPath, ...runtimeArguments(name), program, ...args] as const;
  const output = await runToEnd([
    ...command,
    JSON.stringify({ ...assignment, filler: command }),
  ]);
  return JSON.parse(output);
}

/** What the runtime has to be told. */
function runtimeArguments(name: ContestantName): string[] {
  if (!("deno" in process.versions)) return [];
  // The peers are a package of their own, which the library's configuration does not know.
  if (name === "bullmq") return ["run", "-A", "-q", "--no-config", "--node-modules-dir=manual"];
  const config = fileURLToPath(new URL("../../deno.json", import.meta.url));
  return ["run", "-A", "-q", "--config", config];
}
