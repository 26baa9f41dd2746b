import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import process from "node:process";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import type { WorkerLine } from "./worker.ts";

/** Memory that a process takes, in bytes. */
export interface Memory {
  /** By the system's count. */
  readonly rss: number;
  /** Memory that its objects take, by the runtime's count. */
  readonly heap: number;
}

type Report = WorkerLine & { kind: "report" };

const PROGRAM = fileURLToPath(new URL("worker.ts", import.meta.url));

/** The worker in a process of its own, on this runtime. It ends with this process. */
export class WorkerProcess implements AsyncDisposable {
  readonly #child: ChildProcess;
  readonly #ended: Promise<unknown>;
  #memory: Memory = { rss: 0, heap: 0 };
  #peak: Memory = { rss: 0, heap: 0 };
  #answer: (line: WorkerLine) => void = () => {};

  /** @param url Where Redis is. */
  constructor(url: string) {
    const flags = "deno" in process.versions
      ? ["run", "-A", "--v8-flags=--expose-gc"]
      : "bun" in process.versions
      ? []
      : ["--expose-gc"];
    this.#child = spawn(process.execPath, [...flags, PROGRAM, url], {
      stdio: ["pipe", "pipe", "inherit"],
    });
    this.#ended = once(this.#child, "exit");
    createInterface({ input: this.#child.stdout! }).on("line", (text) => this.#take(text));
  }

  /** Memory that it takes, as it last said. */
  get memory(): Memory {
    return this.#memory;
  }

  /** The most of each that it took since {@linkcode forgetPeak}. */
  get peak(): Memory {
    return this.#peak;
  }

  /** Begins to look for the most anew. */
  forgetPeak(): void {
    this.#peak = this.#memory;
  }

  /** Starts to work in a namespace, after ending the work in another. */
  async work(namespace: string): Promise<void> {
    await this.#ask(`work ${namespace}`);
  }

  /** Ends the work. */
  async idle(): Promise<void> {
    await this.#ask("idle");
  }

  /** Sets a timer there, in place of a message. */
  expect(index: number, eta: number): void {
    this.#child.stdin!.write(`expect ${index} ${eta}\n`);
  }

  /** Collects garbage. */
  async clean(): Promise<void> {
    await this.#ask("clean");
  }

  /** @returns What has run since the work began. */
  async report(): Promise<Report> {
    return await this.#ask("report") as Report;
  }

  /** Kills it. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#child.exitCode === null) process.kill(this.#child.pid!, "SIGKILL");
    await this.#ended;
  }

  #take(text: string): void {
    const line: WorkerLine = JSON.parse(text);
    if (line.kind !== "memory") return this.#answer(line);
    const { rss, heap } = line;
    this.#memory = { rss, heap };
    this.#peak = { rss: Math.max(rss, this.#peak.rss), heap: Math.max(heap, this.#peak.heap) };
  }

  async #ask(command: string): Promise<WorkerLine> {
    const answer = new Promise<WorkerLine>((resolve) => this.#answer = resolve);
    this.#child.stdin!.write(`${command}\n`);
    const ended = this.#ended.then(() => {
      throw new Error(`Cannot ask the worker to ${command}: it has ended`);
    });
    ended.catch(() => {}); // it always ends, mostly later
    return await Promise.race([answer, ended]);
  }
}
