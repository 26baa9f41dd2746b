import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import process from "node:process";
import { runtime } from "../../../platform/runtime.ts";

const WORKER = pathOf("worker_process.ts");
const COMMAND_LINE = pathOf("../../../worker.ts");
const ACTORS = pathOf("actors.ts");

/** Settings of where processes keep and serve their metrics together. */
export interface MetricsSettings {
  readonly database: string;
  readonly lock: string;
  readonly port: number;
}

/** A worker process on this runtime, and what it prints. */
export class MetricsProcess implements AsyncDisposable {
  readonly #child: ChildProcess;
  readonly #ended: Promise<unknown>;
  #output = "";
  #heard: () => void = () => {};

  /**
   * Starts a process.
   *
   * @param args The program and its arguments.
   * @param place Where its metrics go.
   */
  private constructor(args: readonly string[], { database, lock, port }: MetricsSettings) {
    const run = runtime === "deno" ? ["run", "-A"] : [];
    this.#child = spawn(process.execPath, [...run, ...args], {
      env: {
        ...process.env,
        DRAMATIQ_PROM_HOST: "127.0.0.1", // upper case counts, too
        dramatiq_prom_port: String(port),
        dramatiq_prom_db: database,
        dramatiq_prom_lock: lock,
      },
    });
    this.#ended = once(this.#child, "close").then(() => this.#heard());
    for (const stream of [this.#child.stdout!, this.#child.stderr!]) {
      stream.setEncoding("utf8").on("data", (part: string) => {
        this.#output += part;
        this.#heard();
      });
    }
  }

  /** Starts a worker process that runs so many messages. */
  static worker(messages: number, place: MetricsSettings): MetricsProcess {
    return new MetricsProcess([WORKER, String(messages)], place);
  }

  /** Starts the command line with so many worker processes, each of which runs five messages. */
  static commandLine(processes: number, place: MetricsSettings): MetricsProcess {
    const options = ["--processes", String(processes), "--executor", "inline"];
    return new MetricsProcess([COMMAND_LINE, ...options, `${ACTORS}:broker`], place);
  }

  /** Lines it has printed so far. */
  get lines(): string[] {
    return this.#output.split("\n").slice(0, -1);
  }

  /** True if it has said that it serves. */
  get isServing(): boolean {
    return this.lines.some((line) => line.startsWith("info: Serving metrics on http://"));
  }

  /** Resolves when it has printed a line; fails when it ends without. */
  async printed(line: string): Promise<void> {
    while (!this.lines.includes(line)) {
      if (this.#child.exitCode !== null || this.#child.signalCode !== null) {
        throw new Error(`It ended without ${JSON.stringify(line)}: ${this.#output}`);
      }
      await new Promise<void>((resolve) => this.#heard = resolve);
    }
  }

  /** Ends it. */
  async end(signal: "SIGTERM" | "SIGKILL"): Promise<void> {
    process.kill(this.#child.pid!, signal); // `child.kill` on Deno takes the signal for the exit
    await this.#ended;
  }

  /** Kills it if it still runs. */
  async [Symbol.asyncDispose](): Promise<void> {
    try {
      process.kill(this.#child.pid!, "SIGKILL");
    } catch {
      // It has ended.
    }
    await this.#ended;
  }
}

function pathOf(file: string): string {
  return fileURLToPath(new URL(file, import.meta.url));
}
