import { spawn } from "node:child_process";

/** Milliseconds after which a program hangs. */
const TIMEOUT = 15 * 60_000;

/**
 * Runs a program to its end. What it says on its standard error is seen.
 *
 * @param command The program and its arguments.
 * @returns What it printed.
 * @throws {Error} If it fails or hangs.
 */
export async function runToEnd(
  [program, ...args]: readonly [string, ...string[]],
): Promise<string> {
  const child = spawn(program, args, { stdio: ["ignore", "pipe", "inherit"] });
  const timer = setTimeout(() => child.kill("SIGKILL"), TIMEOUT);
  let output = "";
  child.stdout.setEncoding("utf8").on("data", (text) => output += text);
  const end = await new Promise<string | number | null>((resolve, reject) => {
    child.on("error", reject);
    child.on("close", (code, signal) => resolve(code ?? signal));
  });
  clearTimeout(timer);
  if (end === 0) return output;
  throw new Error(`Cannot run ${program} ${args.join(" ")}: it ended with ${end}`);
}
