import { readFileSync } from "node:fs";

/** An entry of `cases` in `tests/vectors/cli.json`, as far as it is used. */
export interface CliCase {
  readonly case: string;
  readonly arguments: readonly string[];
  readonly exit_code: number;
  readonly stderr?: readonly string[];
  readonly came_up?: boolean;
  readonly child_processes?: number;
  readonly notes?: readonly string[];
  readonly processed?: readonly string[];
  readonly left?: Readonly<Record<string, number>>;
  readonly running_at_once?: number;
  readonly mode?: string;
  readonly redis_after?: {
    readonly queued: number;
    readonly unacked: number;
    readonly stored: number;
    readonly dead: number;
  };
}

/** All cases. */
export function cases(): CliCase[] {
  const url = new URL("../vectors/cli.json", import.meta.url);
  return JSON.parse(readFileSync(url, "utf8")).cases;
}

/** One case by its name. */
export function caseOf(name: string): CliCase {
  const found = cases().find((one) => one.case === name);
  if (found === undefined) throw new Error(`There is no case ${name}`);
  return found;
}

const MODULE =
  /^(app|stubapp|extra|raises|exits|connfail|bad_syntax|imports_missing|nosuchmodule)(?=$|:)/;

/**
 * Arguments as they are here: modules are files, and what is a thread there, which runs one
 * message at a time, is one of `--concurrency` on the event loop.
 */
export function translate(args: readonly string[]): string[] {
  return args.flatMap((arg) =>
    arg === "-t" || arg === "--threads" ? ["-t", "0", "-c"] : [arg.replace(MODULE, "$1.ts")]
  );
}
