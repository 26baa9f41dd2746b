import process from "node:process";
import { fileURLToPath } from "node:url";
import { runToEnd } from "../run_to_end.ts";
import type { Findings } from "./findings.ts";

/** A program and its arguments. Travels as JSON. */
export type Command = readonly [program: string, ...args: string[]];

const CONFIG = fileURLToPath(new URL("../../deno.json", import.meta.url));

/**
 * The command that runs a program with this runtime.
 *
 * @param program Where it is.
 * @param args For the program.
 * @param denoArguments How Deno is to find what the program imports.
 */
export function commandOf(
  program: URL,
  args: readonly string[],
  denoArguments: readonly string[] = ["--config", CONFIG],
): Command {
  const deno = "deno" in process.versions ? ["run", "-A", "-q", ...denoArguments] : [];
  return [process.execPath, ...deno, fileURLToPath(program), ...args];
}

/**
 * Runs a contestant in a new process.
 *
 * @param command Its program, without what it is to do.
 * @param assignment What it is to do.
 * @throws {Error} If it fails or hangs.
 */
export async function runContestant(command: Command, assignment: object): Promise<Findings> {
  return JSON.parse(await runToEnd([...command, JSON.stringify(assignment)]));
}
