import { execFile } from "node:child_process";
import process from "node:process";

const MAX_OUTPUT = 16 * 2 ** 20;
const LINES_TO_SHOW = 5;

/**
 * Runs a program to its end.
 *
 * @param program Its path.
 * @param args Its arguments.
 * @param env Variables besides those of this process.
 * @returns What it printed.
 * @throws {Error} If it fails, with the last lines that it printed.
 */
export function runProgram(
  program: string,
  args: readonly string[],
  env: Readonly<Record<string, string>>,
): Promise<string> {
  const options = { env: { ...process.env, ...env }, maxBuffer: MAX_OUTPUT };
  return new Promise((resolve, reject) => {
    execFile(program, args, options, (cause, stdout, stderr) => {
      if (cause === null) return resolve(stdout);
      const output = `${stdout}\n${stderr}`.trim().split("\n").slice(-LINES_TO_SHOW).join("\n");
      reject(
        new Error(`Cannot run ${program} ${args.join(" ")}: ${output || cause.message}`, { cause }),
      );
    });
  });
}
