import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import process from "node:process";
import { fileURLToPath, pathToFileURL } from "node:url";
import { runtime } from "../../platform/runtime.ts";
import { until } from "../support/servers/until.ts";
import { after } from "../support/test.ts";

/** The root of the repository. */
export const ROOT: string = dirname(dirname(dirname(fileURLToPath(import.meta.url))));

/** Command by which this runtime runs a program, with all permissions. */
export const RUN: readonly string[] = runtime === "deno" ? ["run", "-A"] : [];

/**
 * With a compile cache, Node starts in a third of the time. A run of the whole suite has one for all:
 * with an empty one, the programs of each file would compile the library anew.
 */
const compiled: Record<string, string> = {};
if (runtime === "node" && !process.env["NODE_COMPILE_CACHE"]) {
  const folder = await mkdtemp(join(tmpdir(), "dramatiq-compiled-"));
  compiled["NODE_COMPILE_CACHE"] = folder;
  after(() => rm(folder, { recursive: true }));
}

/** Milliseconds that a process may take to start on a busy machine. */
const TIMEOUT = 60_000;

/** Waits until a condition holds, with a timeout for busy machines. */
export async function eventually(
  what: string,
  condition: () => boolean | Promise<boolean>,
): Promise<void> {
  await until(async () => await condition(), { timeout: TIMEOUT, what });
}

/** Options for {@linkcode Fixture.start}. */
export interface StartOptions {
  /** Arguments of the runtime. @default All permissions. */
  run?: readonly string[];
  /** The program. @default {"worker.ts"} */
  entry?: string;
  /** Environment variables in addition to those of this process. */
  env?: Record<string, string>;
}

/** A folder with modules, and the workers that run there. */
export class Fixture implements AsyncDisposable {
  readonly folder: string;
  readonly #programs: Program[] = [];

  private constructor(folder: string) {
    this.folder = folder;
  }

  /** Makes a folder of modules, which is removed at the end. */
  static async open(modules: Record<string, string> = {}): Promise<Fixture> {
    const fixture = new Fixture(await mkdtemp(join(tmpdir(), "dramatiq-cli-")));
    for (const [name, text] of Object.entries(modules)) await fixture.write(name, text);
    return fixture;
  }

  /** Writes a module. `"@dq/dramatiq"` in it is this library; `note` writes a line of notes. */
  async write(name: string, text: string): Promise<void> {
    const library = pathToFileURL(join(ROOT, "mod.ts")).href;
    const head = text.includes("note(")
      ? `import { appendFileSync } from "node:fs";
function note(text) { appendFileSync(${JSON.stringify(join(this.folder, "notes"))}, text + "\\n"); }
`
      : "";
    await writeFile(join(this.folder, name), head + text.replaceAll("@dq/dramatiq", library));
  }

  /** Notes of the modules. */
  async notes(): Promise<string[]> {
    const text = await readFile(join(this.folder, "notes"), "utf8").catch(() => "");
    return text.split("\n").slice(0, -1);
  }

  /** Waits until the modules have written a note a number of times. */
  async noted(text: string, times = 1): Promise<void> {
    const count = async () => (await this.notes()).filter((line) => line === text).length;
    const what = `see "${text}" noted ${times} times`;
    await eventually(what, async () => await count() >= times).catch(async (error) => {
      const shown = this.#programs.map(({ output }) => output).join("\n");
      throw new Error(`${error.message}: ${await this.notes()}\n${shown}`);
    });
  }

  /** Starts the command line in the folder. */
  start(args: readonly string[], options: StartOptions = {}): Program {
    const { run = RUN, entry = join(ROOT, "worker.ts"), env = {} } = options;
    const program = new Program([...run, entry, ...args], this.folder, env);
    this.#programs.push(program);
    return program;
  }

  /** Kills running workers, and removes the folder. */
  async [Symbol.asyncDispose](): Promise<void> {
    for (const program of this.#programs) await program.kill();
    await rm(this.folder, { recursive: true });
  }
}

/** A supervisor, with its workers. */
export class Program {
  /** Its output on both streams. */
  output = "";
  /** Output on the standard output. */
  stdout = "";
  /** Its exit code, or the signal that ended it, once it has ended. */
  readonly ended: Promise<number | string>;
  #ending: number | string | undefined;
  readonly #child: ChildProcess;

  /** Starts it. */
  constructor(args: readonly string[], cwd: string, env: Record<string, string>) {
    this.#child = spawn(process.execPath, args, {
      cwd,
      env: { ...process.env, NO_COLOR: "1", ...compiled, ...env },
      stdio: ["pipe", "pipe", "pipe"],
    });
    for (const name of ["stdout", "stderr"] as const) {
      this.#child[name]!.setEncoding("utf8").on("data", (part: string) => {
        this.output += part;
        if (name === "stdout") this.stdout += part;
      });
    }
    this.ended = once(this.#child, "close").then(([code, signal]) => {
      this.#ending = code ?? signal;
      return code ?? signal;
    });
  }

  get pid(): number {
    return this.#child.pid!;
  }

  /** True if it has not ended. */
  get isRunning(): boolean {
    return this.#ending === undefined;
  }

  /** Log records: the lines of its output that are JSON. */
  get lines(): Record<string, unknown>[] {
    return this.output.split("\n").filter((line) => line.startsWith("{")).map((line) =>
      JSON.parse(line)
    );
  }

  /** Waits until it has printed a text a number of times; fails if it ends before. */
  async printed(text: string | RegExp, times = 1): Promise<void> {
    const pattern = new RegExp(typeof text === "string" ? escape(text) : text.source, "g");
    const count = () => this.output.match(pattern)?.length ?? 0;
    const isOver = () => count() >= times || this.#ending !== undefined;
    await eventually(`see ${pattern} printed`, isOver).catch((error) => {
      throw new Error(`${error.message}: ${this.output}`);
    });
    if (count() >= times) return;
    throw new Error(`It ended with ${this.#ending} and without ${pattern}: ${this.output}`);
  }

  /** Process ids of its workers that are ready, oldest first. */
  get workers(): number[] {
    const ready = this.lines.filter(({ message }) => String(message).startsWith("Working on"));
    return ready.map(({ pid }) => pid as number);
  }

  /** Waits until a number of workers are ready. */
  async working(times = 1): Promise<void> {
    await this.printed("Working on", times);
  }

  /** Sends a signal: not by the child's own method, which on Deno counts as its end. */
  signal(name: "SIGTERM" | "SIGINT" | "SIGHUP" | "SIGUSR2" | "SIGKILL"): void {
    process.kill(this.pid, name);
  }

  /** Stops it, and gives its exit code. */
  async stop(): Promise<number | string> {
    this.signal("SIGTERM");
    return await this.ended;
  }

  /** Kills it and its workers. */
  async kill(): Promise<void> {
    if (this.#ending !== undefined) return;
    for (const pid of [this.pid, ...this.workers]) kill(pid);
    await this.ended;
  }
}

/** True if a process exists. */
export function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

/** Waits until a process has ended. */
export async function gone(pid: number): Promise<void> {
  await eventually(`see process ${pid} gone`, () => !isRunning(pid));
}

/** Kills a process if it exists. */
export function kill(pid: number): void {
  try {
    process.kill(pid, "SIGKILL");
  } catch {
    // It has ended.
  }
}

function escape(text: string): string {
  return text.replace(/[^\w\s]/g, "\\$&");
}

/** Maximum of concurrent cases: a start takes a third of a second of CPU. */
const LANES = 3;

/**
 * Checks many cases, a few at a time.
 *
 * @param cases The cases.
 * @param check Checks one.
 */
export async function inLanes<T>(
  cases: Iterable<T>,
  check: (one: T) => Promise<void>,
): Promise<void> {
  const left = Iterator.from(cases);
  const lane = async () => {
    for (const one of left) await check(one);
  };
  await Promise.all(Array.from({ length: LANES }, lane));
}
