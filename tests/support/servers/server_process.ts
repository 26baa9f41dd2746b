import { type ChildProcess, spawn } from "node:child_process";
import { readdir, readFile } from "node:fs/promises";
import process from "node:process";
import { until } from "./until.ts";

/** Message to run. */
export interface ServerCommand {
  /** The program's path. */
  readonly program: string;
  /** Its arguments. */
  readonly args: readonly string[];
  /** Variables besides those of this process. @default {{}} */
  readonly env?: Readonly<Record<string, string>>;
  /** The folder in which it runs. */
  readonly folder: string;
  /** The file to which its output is added. */
  readonly log: string;
  /** A folder to remove if this process dies before the program. @default {undefined} None. */
  readonly folderToRemove?: string | undefined;
}

/**
 * Becomes the program `$3 …`, whose output goes to the file `$1`, and leaves a guard
 * behind that waits for the end of what was the standard input. It comes when this process
 * has seen the program end: then there is nobody left to kill. Or it comes because this
 * process is gone, however it ended: then the program, whose id is `$$`, is still there, and
 * the guard kills it and removes the folder `$2`. Signals from the keyboard reach the guard
 * too, and are not for it.
 */
const GUARDED = `
  log=$1 remove=$2
  shift 2
  exec 3<&0 0</dev/null 1>>"$log" 2>&1
  {
    trap '' HUP INT QUIT TERM
    read -r line <&3
    kill -KILL $$ && [ -n "$remove" ] && rm -rf "$remove"
  } 1>/dev/null 2>&1 &
  exec 3<&-
  exec "$@"
`;

const LINES_TO_SHOW = 12;

/** A running program that does not outlive this process. Needs a POSIX shell. */
export class ServerProcess {
  /** Resolves once the program has ended. */
  readonly ended: Promise<void>;
  readonly #child: ChildProcess;
  readonly #command: ServerCommand;
  #ending: string | undefined;

  /** @param command What to run; it runs at once. */
  constructor(command: ServerCommand) {
    const { program, args, env = {}, folder, log, folderToRemove = "" } = command;
    this.#command = command;
    this.#child = spawn("/bin/sh", ["-c", GUARDED, "sh", log, folderToRemove, program, ...args], {
      cwd: folder,
      env: { ...process.env, ...env },
      stdio: ["pipe", "ignore", "ignore"],
    });
    this.ended = new Promise((resolve) => {
      const noteEnd = (reason: string) => {
        this.#ending = reason;
        const { stdin } = this.#child;
        if (stdin === null || stdin.closed) return resolve();
        stdin.on("close", resolve);
        stdin.end(); // Lets the guard go.
      };
      this.#child.on("error", (error) => noteEnd(error.message));
      this.#child.on("exit", (code, signal) => {
        noteEnd(signal === null ? `it ended with code ${code}` : `it was ended by ${signal}`);
      });
    });
  }

  /** The program's process id. */
  get pid(): number {
    return this.#child.pid!;
  }

  /** True if it has not ended. */
  get isRunning(): boolean {
    return this.#ending === undefined;
  }

  /**
   * Waits until the program serves.
   *
   * @param isReady Asks it. An error counts as not yet.
   * @param options Milliseconds that it may take, and between two questions.
   * @throws {Error} If it ends before, or takes too long, with its last lines of output.
   */
  async untilReady(
    isReady: () => Promise<boolean>,
    { timeout = 10_000, interval = 5 }: { timeout?: number; interval?: number },
  ): Promise<void> {
    const { program } = this.#command;
    try {
      await until(async () => !this.isRunning || await isReady(), {
        ...{ timeout, interval },
        what: `start ${program}`,
      });
    } catch (error) {
      throw new Error(`${(error as Error).message}${await this.#lastOutput()}`, { cause: error });
    }
    if (this.isRunning) return;
    throw new Error(`Cannot start ${program}: ${this.#ending}${await this.#lastOutput()}`);
  }

  /** Sends a signal, unless it has ended. */
  signal(name: "SIGKILL" | "SIGSTOP" | "SIGCONT"): void {
    try {
      // Not by the child's own method: on Deno that ends its input, too early for the guard.
      if (this.isRunning) process.kill(this.pid, name);
    } catch {
      // It has ended just now; that is still to be reported.
    }
  }

  /** Sends SIGSTOP, and waits until each thread stands: one may still be about to answer. */
  async pause(): Promise<void> {
    this.signal("SIGSTOP");
    const isStill = async () => !this.isRunning || await standsStill(this.pid);
    await until(isStill, { what: `pause ${this.#command.program}` });
  }

  /** Kills it and waits for its end. */
  async kill(): Promise<void> {
    this.signal("SIGKILL");
    await this.ended;
  }

  async #lastOutput(): Promise<string> {
    const text = await readFile(this.#command.log, "utf8").catch(() => "");
    const lines = text.trimEnd().split("\n").slice(-LINES_TO_SHOW);
    return text === "" ? "" : `\n${lines.join("\n")}`;
  }
}

/** True if all threads of a process are stopped, or that is unknown: not all systems have `/proc`. */
async function standsStill(pid: number): Promise<boolean> {
  const threads = await readdir(`/proc/${pid}/task`).catch(() => []);
  const states = await Promise.all(threads.map((thread) => stateOf(pid, thread)));
  return states.every((state) => state === "T" || state === undefined);
}

/** The state of a thread ("man 5 proc_pid_stat"), which follows its name; none once it is gone. */
async function stateOf(pid: number, thread: string): Promise<string | undefined> {
  const stat = await readFile(`/proc/${pid}/task/${thread}/stat`, "utf8").catch(() => "");
  return stat.slice(stat.lastIndexOf(")") + 2)[0];
}
