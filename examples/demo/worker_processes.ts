import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { FILES } from "./actors.ts";

/** Options for the command line of this library. */
export interface WorkerProcessesOptions {
  /** The URL of the broker. */
  readonly broker: string;
  /** Folder in which the paths of the files begin. */
  readonly folder: string;
  /** One file in so many fails at first. */
  readonly failEvery: number;
  /** Number of files that are worked on at once, by all processes. */
  readonly concurrency: number;
}

const PROCESSES = 2;
/** Milliseconds for workers that Ctrl-C has reached as well; then they are told. */
const TIME_TO_STOP = 5_000;
const RUN = "Deno" in globalThis ? ["run", "-A"] : [];
const COMMAND_LINE = fileURLToPath(new URL("../../worker.ts", import.meta.url));
const ACTORS = fileURLToPath(new URL("worker_actors.ts", import.meta.url));

/** Worker processes under the supervisor of the command line, which replaces what dies. */
export class WorkerProcesses {
  readonly #supervisor: ChildProcess;
  readonly #ended: Promise<unknown>;
  #errors = "";

  /** Starts them. */
  constructor({ broker, folder, failEvery, concurrency }: WorkerProcessesOptions) {
    const flags = {
      "--processes": PROCESSES,
      "--threads": 0,
      "--concurrency": Math.ceil(concurrency / PROCESSES),
      "--queues": FILES,
    };
    const args = [ACTORS, ...Object.entries(flags).flat().map(String)];
    this.#supervisor = spawn(process.execPath, [...RUN, COMMAND_LINE, ...args], {
      stdio: ["ignore", "ignore", "pipe"],
      env: {
        ...process.env,
        DRAMATIQ_BROKER_URL: broker,
        DEMO_FOLDER: folder,
        DEMO_FAIL_EVERY: String(failEvery),
        NODE_NO_WARNINGS: "1",
      },
    });
    this.#supervisor.stderr!.on(
      "data",
      (text) => this.#errors = `${this.#errors}${text}`.slice(-4_000),
    );
    this.#ended = once(this.#supervisor, "close");
  }

  /** Rejects if they end by themselves. */
  async failed(): Promise<never> {
    await this.#ended;
    throw new Error(`The workers have ended:\n${this.#errors}`);
  }

  /** Kills one of them, as a lack of memory would. */
  kill(pid: number): void {
    process.kill(pid, "SIGKILL");
  }

  /**
   * Stops them when they have finished what they run.
   *
   * @param isTold Whether Ctrl-C has reached them as well: a second signal would kill them.
   */
  async stop(isTold: boolean): Promise<void> {
    const tell = () => this.#supervisor.kill("SIGTERM");
    const timer = setTimeout(tell, isTold ? TIME_TO_STOP : 0);
    await this.#ended;
    clearTimeout(timer);
  }
}
