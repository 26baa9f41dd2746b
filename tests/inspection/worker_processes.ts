import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import process from "node:process";
import { ROOT, RUN } from "../cli/fixture.ts";
import type { WorkerProcessArguments } from "./worker_process.ts";

/** A process with workers that have nothing to do. */
export class WorkerProcess implements AsyncDisposable {
  readonly #child: ChildProcess;
  readonly #ended: Promise<unknown>;

  private constructor(child: ChildProcess) {
    this.#child = child;
    this.#ended = once(child, "exit");
  }

  /** Starts it, and waits until its workers work. */
  static async start(told: WorkerProcessArguments): Promise<WorkerProcess> {
    const program = join(ROOT, "tests", "inspection", "worker_process.ts");
    const child = spawn(process.execPath, [...RUN, program, JSON.stringify(told)], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    const started = new WorkerProcess(child);
    const ended = started.#ended.then(() => {
      throw new Error("the workers have ended");
    });
    ended.catch(() => {}); // it is killed
    await Promise.race([once(child.stdout!, "data"), ended]);
    return started;
  }

  /** Its process id. */
  get pid(): number {
    return this.#child.pid!;
  }

  /** Ends it without a chance to say so. */
  async kill(): Promise<void> {
    if (this.#child.exitCode === null && this.#child.signalCode === null) {
      process.kill(this.pid, "SIGKILL");
    }
    await this.#ended;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.kill();
  }
}
