import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import process from "node:process";
import { runtime } from "../../../core/runtime.ts";

const WORKER = fileURLToPath(new URL("worker_process.ts", import.meta.url));

/** Where processes keep and serve their metrics together. */
export interface MetricsPlace {
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
   * @param messages How many messages it runs.
   * @param place Where its metrics go.
   */
  constructor(messages: number, { database, lock, port }: MetricsPlace) {
    const run = runtime === "deno" ? ["run", "-A"] : [];
    this.#child = spawn(process.execPath, [...run, WORKER, String(messages)], {
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

  /** Lines it has printed so far. */
  get lines(): string[] {
    return this.#output.split("\n").slice(0, -1);
  }

  /** Whether it has said that it serves. */
  get isServing(): boolean {
    return this.lines.some((line) => line.startsWith("info: Serves metrics on http://"));
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
