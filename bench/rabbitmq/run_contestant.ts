import process from "node:process";
import { fileURLToPath } from "node:url";
import { runToEnd } from "../run_to_end.ts";
import type { Findings, Work } from "./assignment.ts";
import type { ContestantName } from "./rows.ts";

const PROGRAMS: Record<ContestantName, { file: string; args: string[] }> = {
  "bare": { file: "bare.ts", args: [] },
  "bare json": { file: "bare.ts", args: ["json"] },
  "bare together": { file: "bare.ts", args: ["together"] },
  "ours": { file: "ours.ts", args: [] },
};

/**
 * Runs a contestant in a new process of this runtime.
 *
 * @param name Which.
 * @param work What it is to do.
 * @param url Of RabbitMQ.
 * @throws {Error} If it fails or hangs.
 */
export async function runContestant(
  name: ContestantName,
  work: Work,
  url: string,
): Promise<Findings> {
  const assignment = { ...work, url, filler: commandOf("bare") };
  return JSON.parse(await runToEnd([...commandOf(name), JSON.stringify(assignment)]));
}

function commandOf(name: ContestantName): [program: string, ...args: string[]] {
  const { file, args } = PROGRAMS[name];
  const program = fileURLToPath(new URL(file, import.meta.url));
  const config = fileURLToPath(new URL("../../deno.json", import.meta.url));
  const runtimeArguments = "deno" in process.versions
    ? ["run", "-A", "-q", "--config", config]
    : [];
  return [process.execPath, ...runtimeArguments, program, ...args];
}
