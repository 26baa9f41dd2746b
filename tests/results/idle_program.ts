import { execFile } from "node:child_process";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { runtime } from "../../platform/runtime.ts";

const PROGRAM = fileURLToPath(new URL("idle_backends_program.ts", import.meta.url));

/**
 * Runs a program whose backends are idle in the end. It is killed if it does not end by itself.
 *
 * @param address Servers of the backends.
 * @returns The lines that it printed.
 */
export async function runIdleProgram(address: object): Promise<string[]> {
  const args = [...(runtime === "deno" ? ["run", "-A"] : []), PROGRAM, JSON.stringify(address)];
  const { stdout } = await promisify(execFile)(process.execPath, args, { timeout: 30_000 });
  return stdout.trim().split("\n");
}
