import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import process from "node:process";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import type { WorkerLine } from "./worker.ts";

const PROGRAM = fileURLToPath(new URL("worker.ts", import.meta.url));

/** The worker in a process of its own, on this runtime. It ends with this process. */
export class WorkerProcess implements AsyncDisposable {
  /** When each message that was due soon began to run, as often as it did, by its number. */
  readonly near: Map<number, number[]> = new Map();
  /** Number of messages that have run although due in hours. */
  far = 0;
  /** The bytes that it takes, as it last said. */
  rss = 0;
  /** The most of it since this was set to 0. */
  peak = 0;
  readonly #child: ChildProcess;
  readonly #ended: Promise<unknown>;

  /** @param url Where RabbitMQ is. */
  constructor(url: string) {
    const flags = "deno" in process.versions ? ["run", "-A", "-q"] : [];
    this.#child = spawn(process.execPath, [...flags, PROGRAM, url], {
      stdio: ["pipe", "pipe", "inherit"],
    });
    this.#ended = once(this.#child, "exit");
    createInterface({ input: this.#child.stdout! }).on("line", (text) => {
      this.#take(JSON.parse(text));
    });
  }

  /** Kills it. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#child.exitCode === null) process.kill(this.#child.pid!, "SIGKILL");
    await this.#ended;
  }

  #take(line: WorkerLine): void {
    switch (line.kind) {
      case "memory":
        this.rss = line.rss;
        this.peak = Math.max(this.peak, line.rss);
        return;
      case "near":
        this.near.set(line.index, [...this.near.get(line.index) ?? [], line.at]);
        return;
      case "far":
        this.far++;
    }
  }
}
