import { execFile } from "node:child_process";
import process from "node:process";
import { fileURLToPath } from "node:url";
import type { Assignment, Findings } from "./assignment.ts";
import type { ContestantName } from "./rows.ts";

const PROGRAMS: Record<ContestantName, { file: string; args: string[] }> = {
  "bare": { file: "bare.ts", args: [] },
  "bare json": { file: "bare.ts", args: ["json"] },
  "ours": { file: "ours.ts", args: [] },
  "bullmq": { file: "../peers/bullmq.mjs", args: [] },
};
/** Milliseconds after which a contestant hangs. */
const TIMEOUT = 15 * 60_000;

/**
 * Runs a contestant in a new process of this runtime.
 *
 * @param name Which.
 * @param assignment What it is to do.
 * @throws {Error} If it fails or hangs, with what it printed.
 */
export function runContestant(name: ContestantName, assignment: Assignment): Promise<Findings> {
  const { file, args } = PROGRAMS[name];
  const program = fileURLToPath(new URL(file, import.meta.url));
  const command = [...runtimeArguments(name), program, ...args, JSON.stringify(assignment)];
  return new Promise((resolve, reject) => {
    const options = { timeout: TIMEOUT, killSignal: "SIGKILL", maxBuffer: 2 ** 26 } as const;
    execFile(process.execPath, command, options, (cause, stdout, stderr) => {
      if (stderr !== "") console.error(stderr.trim());
      if (cause === null) return resolve(JSON.parse(stdout));
      reject(new Error(`Cannot measure ${name} (${JSON.stringify(assignment)})`, { cause }));
    });
  });
}

/** What the runtime has to be told. */
function runtimeArguments(name: ContestantName): string[] {
  if (!("deno" in process.versions)) return [];
  // The peers are a package of their own, which the library's configuration does not know.
  if (name === "bullmq") return ["run", "-A", "-q", "--no-config", "--node-modules-dir=manual"];
  const config = fileURLToPath(new URL("../../deno.json", import.meta.url));
  return ["run", "-A", "-q", "--config", config];
}
