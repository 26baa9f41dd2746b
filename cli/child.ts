import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import process from "node:process";
import type { Readable } from "node:stream";
import type { LogLevel } from "./log_line.ts";
import type { LogWriter } from "./log_writer.ts";
import { LineReader } from "./output.ts";
import { type IpcRecord, RecordReader, type WorkerStatus } from "./ipc.ts";

/** Role of a child process. */
export type Role =
  | { readonly kind: "worker"; readonly number: number }
  /** Runs a function: one named on the command line, or one of a middleware, by its index. */
  | { readonly kind: "fork"; readonly number: number; readonly function: string | number };

/** Environment variable with the role of a child. */
export const ROLE_VARIABLE = "DRAMATIQ_WORKER_ROLE";

/** A pipe to a child. Deno and Bun make none if the child does not start. */
type ChildStream = Readable | null | undefined;

/** End of a child process. */
export interface Ending {
  readonly code: number | null;
  readonly signal: string | null;
  /** The reason, if it sent one in a `fatal` record, or could not be started. */
  readonly reason: string | undefined;
  /** Milliseconds since it was ready; 0 if it never was. */
  readonly workedFor: number;
}

/** Listener to a child process. */
export interface ChildListener {
  ready(child: Child, record: IpcRecord & { type: "ready" }): void;
  /** The child requests a replacement. `level` is for the log line. */
  retiring(child: Child, reason: string, level?: LogLevel): void;
  ended(child: Child, ending: Ending): void;
}

/** Settings shared by all children. */
export interface ChildSettings {
  /** The program and its arguments. */
  readonly command: readonly string[];
  /** Milliseconds between a stop and a kill. */
  readonly stopTimeout: number;
  readonly log: LogWriter;
}

/** Milliseconds to wait for the status of a child. */
const STATUS_TIMEOUT = 3_000;
/** Milliseconds to wait for the last output of a child that has ended. */
const OUTPUT_TIMEOUT = 500;
/** Characters of an invalid control record in the log. */
const SHOWN_RECORD = 200;

/**
 * A child process, a worker or a fork:
 *
 * starting ─▶ ready ─▶ stopping ─▶ ended
 *
 * Its standard input is a pipe that nothing is ever written to. The pipe closes when this process
 * ends for whatever reason, and the child stops then.
 */
export class Child {
  readonly role: Role;
  /** True if it was told to stop. */
  isStopping = false;
  /** True if it had to be killed. */
  wasKilled = false;
  readonly #process: ChildProcess;
  readonly #listener: ChildListener;
  readonly #settings: ChildSettings;
  #readyAt = Infinity;
  #reason: string | undefined;
  #hasEnded = false;
  #killTimer: ReturnType<typeof setTimeout> | undefined;
  #statusWaiters: ((status: WorkerStatus) => void)[] = [];
  #lastStatus: { readonly status: WorkerStatus; readonly at: number } | undefined;
  #heardAt: number = performance.now();

  /**
   * Starts the process.
   *
   * @param role Its role.
   * @param settings The command, the timeout and the log.
   * @param listener Called when its state changes.
   */
  constructor(role: Role, settings: ChildSettings, listener: ChildListener) {
    this.role = role;
    this.#settings = settings;
    this.#listener = listener;
    const [program, ...args] = settings.command as [string, ...string[]];
    this.#process = spawn(program, args, {
      env: { ...process.env, [ROLE_VARIABLE]: JSON.stringify(role) },
      stdio: ["pipe", "pipe", "pipe", "pipe"], // the last one is CONTROL_FD
    });
    this.#process.stdin?.on("error", () => {}); // the child has ended, see `#watch`
    this.#watch();
  }

  /** True if it has started to work. */
  get isReady(): boolean {
    return this.#readyAt !== Infinity;
  }

  /** When it last sent a record, or else was started, by `performance.now()`. */
  get heardAt(): number {
    return this.#heardAt;
  }

  /** Its last status, and when that arrived, by `performance.now()`. */
  get lastStatus(): { readonly status: WorkerStatus; readonly at: number } | undefined {
    return this.#lastStatus;
  }

  /** Name in the log. */
  get name(): string {
    return `${this.role.kind}-${this.role.number}`;
  }

  /** Its process id; 0 if it could not be started. */
  get pid(): number {
    return this.#process.pid ?? 0;
  }

  /** Sends SIGTERM: it finishes its running messages and ends. After the timeout it is killed. */
  stop(): void {
    if (this.isStopping) return;
    this.isStopping = true;
    if (this.#hasEnded) return;
    this.#signal("SIGTERM");
    this.#killTimer = setTimeout(
      () => this.kill(),
      Math.min(this.#settings.stopTimeout, 2 ** 31 - 1),
    );
  }

  /** Sends SIGKILL. */
  kill(): void {
    this.isStopping = true;
    this.wasKilled ||= !this.#hasEnded;
    this.#signal("SIGKILL");
  }

  /**
   * Requests its status.
   *
   * @returns The status; `undefined` if it does not answer in time.
   */
  async status(): Promise<WorkerStatus | undefined> {
    if (this.#hasEnded) return undefined;
    const { promise, resolve } = Promise.withResolvers<WorkerStatus | undefined>();
    this.#statusWaiters.push(resolve);
    this.#signal("SIGUSR2");
    const timer = setTimeout(() => resolve(undefined), STATUS_TIMEOUT);
    const status = await promise;
    clearTimeout(timer);
    return status;
  }

  /** Sends a signal. Not with `ChildProcess.kill`, after which Deno considers the child ended. */
  #signal(name: "SIGTERM" | "SIGKILL" | "SIGUSR2"): void {
    if (this.#hasEnded || this.pid === 0) return;
    try {
      process.kill(this.pid, name);
    } catch {
      // It has just ended; the "exit" event follows.
    }
  }

  #watch(): void {
    const { stdout, stderr, stdio } = this.#process;
    const outputs = [
      this.#readOutput(stdout, "stdout"),
      this.#readOutput(stderr, "stderr"),
      this.#readRecords(stdio?.[3] as ChildStream),
    ];
    const end = async (code: number | null, signal: string | null) => {
      if (this.#hasEnded) return;
      this.#hasEnded = true;
      clearTimeout(this.#killTimer);
      const workedFor = Math.max(0, performance.now() - this.#readyAt);
      // Processes that it has started may outlive it and keep the pipes open.
      const late = new Promise((resolve) => setTimeout(resolve, OUTPUT_TIMEOUT));
      await Promise.race([Promise.all(outputs), late]);
      this.#listener.ended(this, { code, signal, reason: this.#reason, workedFor });
    };
    this.#process.on("exit", end);
    this.#process.on("error", (error) => {
      this.#reason ??= `Cannot start a process: ${error.message}`;
      if (this.pid === 0) { for (const stream of stdio ?? []) stream?.destroy(); }
      end(null, null);
    });
  }

  async #readOutput(stream: ChildStream, name: "stdout" | "stderr"): Promise<void> {
    const reader = new LineReader((line) => this.#settings.log.writePrinted(line, name, this));
    await read(stream, (text) => reader.push(text));
    reader.end();
  }

  async #readRecords(stream: ChildStream): Promise<void> {
    const reader = new RecordReader(
      (record) => this.#take(record),
      (line) => this.#ignore(line),
    );
    await read(stream, (text) => reader.push(text));
  }

  #ignore(line: string): void {
    const text = `Ignored an invalid control record of ${line.length} characters`;
    this.#settings.log.write(
      {
        time: Date.now(),
        level: "warning",
        logger: "dramatiq.supervisor",
        text,
        properties: { record: line.slice(0, SHOWN_RECORD) },
      },
      this,
    );
  }

  #take(record: IpcRecord): void {
    this.#heardAt = performance.now();
    switch (record.type) {
      case "log":
        return this.#settings.log.write(record, this);
      case "ready":
        this.#readyAt = performance.now();
        return this.#listener.ready(this, record);
      case "fatal":
        this.#reason = record.text;
        return;
      case "retiring":
        return this.#listener.retiring(this, record.reason, record.level);
      case "status": {
        const waiters = this.#statusWaiters;
        this.#statusWaiters = [];
        this.#lastStatus = { status: record, at: this.#heardAt };
        for (const resolve of waiters) resolve(record);
      }
    }
  }
}

/** Reads a stream until it ends or breaks. */
async function read(stream: ChildStream, take: (text: string) => void): Promise<void> {
  if (stream === undefined || stream === null) return;
  stream.setEncoding("utf8").on("data", take);
  await once(stream, "close").catch(() => {});
}
