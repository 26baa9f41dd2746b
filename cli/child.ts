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
  /** Runs a function that was named, or one that a middleware has. */
  | { readonly kind: "fork"; readonly number: number; readonly function: string | number };

/** The variable that tells a child its role. */
export const ROLE_VARIABLE = "DRAMATIQ_WORKER_ROLE";

/** One of the pipes to a child; Deno and Bun make none to one that does not start. */
type ChildStream = Readable | null | undefined;

/** End of a child process. */
export interface Ending {
  readonly code: number | null;
  readonly signal: string | null;
  /** Why it could not work, if it said so. */
  readonly reason: string | undefined;
  /** Milliseconds for which it worked. */
  readonly workedFor: number;
}

/** Listener to a child process. */
export interface ChildListener {
  ready(child: Child, record: IpcRecord & { type: "ready" }): void;
  /** Another one is to take its place, now. `level` is that of the log line. */
  retiring(child: Child, reason: string, level?: LogLevel): void;
  ended(child: Child, ending: Ending): void;
}

/** Settings shared by all children. */
export interface ChildSettings {
  /** The program and its arguments. */
  readonly command: readonly string[];
  /** Milliseconds after which one that was told to stop is killed. */
  readonly stopTimeout: number;
  readonly log: LogWriter;
}

/** Milliseconds in which a child that works says what it is doing. */
const STATUS_TIMEOUT = 3_000;
/** Milliseconds in which the last output of a child that has ended arrives. */
const OUTPUT_TIMEOUT = 500;
/** Characters of an invalid control record that the log shows. */
const SHOWN_RECORD = 200;

/**
 * A process that works, or runs a fork:
 *
 * starting ─▶ ready ─▶ stopping ─▶ ended
 *
 * Its standard input is a pipe that nothing is ever written to. It ends when this process is
 * gone, however that came about; the child stops then.
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
   * Starts it.
   *
   * @param role What it is to do.
   * @param settings The command.
   * @param listener Who hears of it.
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
    this.#process.stdin?.on("error", () => {}); // it is gone: that is told elsewhere
    this.#watch();
  }

  /** True if it has begun to work. */
  get isReady(): boolean {
    return this.#readyAt !== Infinity;
  }

  /** When it last sent a record, or was started, by `performance.now()`. */
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

  /** Its process id; 0 if it did not start. */
  get pid(): number {
    return this.#process.pid ?? 0;
  }

  /** Tells it to finish what it has and end; kills it when that takes too long. */
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

  /** Ends it at once. */
  kill(): void {
    this.isStopping = true;
    this.wasKilled ||= !this.#hasEnded;
    this.#signal("SIGKILL");
  }

  /**
   * Asks what it is doing.
   *
   * @returns `undefined` if it does not answer.
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

  /** Not by the child's own method: on Deno that counts as its end. */
  #signal(name: "SIGTERM" | "SIGKILL" | "SIGUSR2"): void {
    if (this.#hasEnded || this.pid === 0) return;
    try {
      process.kill(this.pid, name);
    } catch {
      // It has ended just now; that is still to be reported.
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
      // What it has started may outlive it and hold the pipes open.
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

/** Reads a stream to its end; a broken one has ended, and that of a child that did not start. */
async function read(stream: ChildStream, take: (text: string) => void): Promise<void> {
  if (stream === undefined || stream === null) return;
  stream.setEncoding("utf8").on("data", take);
  await once(stream, "close").catch(() => {});
}
