import { spawn } from "node:child_process";
import process from "node:process";

/** Which tests to run. */
export interface Selection {
  /** Test files, from the root. */
  readonly tests: readonly string[];
  /** Part of the names of the tests. */
  readonly filter?: string | undefined;
}

/** End of a run of tests. */
export type RunEnd = "passed" | "failed" | "timed out" | "ran none" | "does not parse";

/** A run of tests that is over. */
export interface TestRun {
  /** End. */
  readonly end: RunEnd;
  /** Milliseconds. */
  readonly took: number;
  /** Output. */
  readonly output: string;
}

/** Runs tests in a folder, and ends them when they take longer than some milliseconds. */
export type RunTests = (
  folder: string,
  selection: Selection,
  timeout: number,
) => Promise<TestRun>;

/** Milliseconds between a test's own time-out and the end of the process that runs it. */
const GRACE = 10_000;
/** Milliseconds in which servers end whose test process was killed. */
const SERVERS_END = 1_000;
/** Beginning of the error of a test that hangs. */
const HUNG = "The test has not ended within";
/** Output once a test file could be loaded. */
const BEGUN = /^running [1-9]\d* test/m;

/** Runs tests on Deno. Types are not checked: a mistake is to be found by a test. */
export const runOnDeno: RunTests = async (folder, { tests, filter }, timeout) => {
  const args = ["test", "-A", "--no-check", "--fail-fast"];
  if (filter !== undefined) args.push(`--filter=${filter}`);
  const env = { TEST_TIMEOUT: `${timeout}`, NO_COLOR: "1" };
  const program = "Deno" in globalThis ? process.execPath : "deno";
  return judge(await runInTime(program, [...args, ...tests], { folder, env, timeout }));
};

/** A process that has ended. */
interface Ended {
  readonly code: number | null;
  readonly took: number;
  readonly output: string;
  readonly isLate: boolean;
}

/** Says how tests ended, by what `deno test` printed. */
export function judge({ code, took, output, isLate }: Ended): TestRun {
  const end: RunEnd = isLate || output.includes(HUNG)
    ? "timed out"
    : /^error: SyntaxError/m.test(output) && !BEGUN.test(output)
    ? "does not parse"
    : code !== 0
    ? "failed"
    : /^ok \| [1-9]/m.test(output)
    ? "passed"
    : "ran none";
  return { end, took, output };
}

/** Folder and limit of a program, and how long it may. */
export interface RunOptions {
  readonly folder: string;
  readonly env?: Readonly<Record<string, string>>;
  /** Milliseconds, after which, and a grace, it is killed with all that it started. */
  readonly timeout: number;
}

/** Runs a program in a process group of its own. */
export async function runInTime(
  program: string,
  args: readonly string[],
  { folder, env = {}, timeout }: RunOptions,
  grace: number = GRACE,
): Promise<Ended> {
  const start = performance.now();
  const child = spawn(program, [...args], {
    cwd: folder,
    env: { ...process.env, ...env },
    stdio: ["ignore", "pipe", "pipe"],
    detached: true,
  });
  let output = "";
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding("utf8").on("data", (text: string) => output += text);
  }
  let isLate = false;
  const ended = new Promise<number | null>((resolve, reject) => {
    child.on("error", reject);
    child.on("exit", resolve);
  });
  const timer = setTimeout(() => {
    isLate = true;
    child.kill("SIGKILL"); // the guards of its servers see that, and end them
  }, timeout + grace);
  try {
    const code = await ended;
    return { code, took: performance.now() - start, output, isLate };
  } finally {
    clearTimeout(timer);
    if (isLate) await new Promise((resolve) => setTimeout(resolve, SERVERS_END));
    killGroup(child.pid!);
  }
}

function killGroup(pid: number): void {
  try {
    process.kill(-pid, "SIGKILL");
  } catch {
    // Nothing of it is left.
  }
}
