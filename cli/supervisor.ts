import process from "node:process";
import type { Arguments } from "./arguments.ts";
import type { Child, ChildSettings, Ending } from "./child.ts";
import { KILLED, OK } from "./exit_codes.ts";
import type { LogLevel } from "./log_line.ts";
import type { LogWriter } from "./log_writer.ts";
import { ChildSlot, type ChildSlotOwner, type ReadyRecord } from "./child_slot.ts";
import { formatDuration, formatStatus } from "./status.ts";
import { hasTerminal } from "./terminal.ts";

/** Observer of a supervisor, for health checks and systemd. */
export interface SupervisorObserver {
  /** A worker process has started to work. */
  workerReady(): void;
  /** The first worker has started to work, or a reload has ended. */
  working(): void;
  /** A reload begins; `working` ends it, whether or not it succeeded. */
  reloading(): void;
  /** It was told to stop. */
  stopping(): void;
}

/**
 * Milliseconds that a child has to requeue messages and disconnect, in addition to the time for its
 * actors.
 */
const LAST_GRACE = 8_000;
/**
 * Milliseconds between two signals of one Ctrl-C: the terminal and a parent program may both send
 * one.
 */
const SAME_KEYSTROKE = 200;

/** State of a supervisor: "working" from the start on; `since` is when the stop began. */
type State =
  | { readonly name: "working" | "reloading" }
  | { readonly name: "stopping"; readonly since: number; readonly exitCode: number | undefined }
  | { readonly name: "killing" | "ended"; readonly since: number; readonly exitCode: number };

/**
 * Starts the worker processes, and replaces those that die.
 *
 * working ◀─▶ reloading
 *    └────┬───────┘
 *         └─(signal, or a slot that gives up)▶ stopping ─(signal)▶ killing
 *                                                  └──(no process left)──┴─▶ ended
 *
 * Signals:
 *
 * SIGTERM, SIGINT ─▶ stop; a second one ─▶ kill
 * SIGHUP, a change of the code ─▶ reload (or stop, if its terminal was closed)
 * SIGUSR2 ─▶ status
 *
 * It imports no module of the user: they cannot crash it, and a reload loads the current code.
 */
export class Supervisor implements ChildSlotOwner {
  readonly #args: Arguments;
  readonly #log: LogWriter;
  readonly #settings: ChildSettings;
  readonly #workers: ChildSlot[];
  #forks: ChildSlot[] = [];
  readonly #ended: PromiseWithResolvers<number> = Promise.withResolvers();
  readonly #startedAt: number = performance.now();
  #state: State = { name: "working" };
  /** True once the first worker has started to work, which it may also do during a stop. */
  #hasWorked = false;
  /** Reports its health, if anything does. */
  observer: SupervisorObserver | undefined;

  /**
   * Stores the options; `run` starts the processes.
   *
   * @param args The parsed command line.
   * @param command The command that starts this program once more.
   * @param log The log.
   */
  constructor(args: Arguments, command: readonly string[], log: LogWriter) {
    this.#args = args;
    this.#log = log;
    this.#settings = { command, log, stopTimeout: args.workerShutdownTimeout + LAST_GRACE };
    this.#workers = Array.from(
      { length: args.processes },
      (_, i) => new ChildSlot({ kind: "worker", number: i + 1 }, this.#settings, this),
    );
  }

  /** All worker processes, including those that are starting or finishing. */
  get children(): readonly Child[] {
    return this.#workers.flatMap((slot) => [...slot.children]);
  }

  /** True if it was told to stop. */
  get isStopping(): boolean {
    return "since" in this.#state;
  }

  /**
   * Runs until told to stop.
   *
   * @returns The exit code.
   */
  async run(): Promise<number> {
    process.on("SIGTERM", () => this.#stop("SIGTERM"));
    process.on("SIGINT", () => this.#stop("SIGINT"));
    const hadTerminal = hasTerminal();
    process.on("SIGHUP", () => {
      const isClosed = hadTerminal === true && hasTerminal() === false;
      if (isClosed) this.#stop("the end of its terminal");
      else this.reload("SIGHUP");
    });
    process.on("SIGUSR2", () => this.#logStatus());
    if (process.platform === "darwin") process.on("SIGINFO", () => this.#logStatus()); // Ctrl-T
    for (const slot of this.#workers) slot.start();
    return await this.#ended.promise;
  }

  /**
   * Replaces the processes with new ones, which load the current code. The first worker is reloaded
   * before the others; if that fails, the old processes continue.
   *
   * @param why The reason, for the log.
   */
  async reload(why: string): Promise<void> {
    if (this.isStopping) return;
    this.#reopenLog();
    this.log("info", "Reloading: {why}", { why });
    this.observer?.reloading();
    await this.#reload();
    if (!this.isStopping) this.observer?.working();
  }

  async #reload(): Promise<void> {
    this.#state = { name: "reloading" };
    const [first, ...others] = this.#workers as [ChildSlot, ...ChildSlot[]];
    const outcome = await first.reload();
    if (outcome === "superseded") return;
    if (!this.isStopping) this.#state = { name: "working" };
    if (outcome !== "ready") {
      const isOldThere = first.current !== undefined;
      if (isOldThere) {
        const { reason = `it ended with code ${outcome.code}` } = outcome;
        this.log("error", "Failed to reload, so the old code stays in use: {reason}", { reason });
      }
      return;
    }
    await Promise.all(others.map((slot) => slot.reload()));
  }

  /** Logs a record of the supervisor; `{name}` is replaced with the property `name`. */
  log(level: LogLevel, template: string, properties: Record<string, unknown> = {}): void {
    this.#write(
      level,
      template.replace(/\{(\w+)\}/g, (_, name: string) => String(properties[name])),
      properties,
    );
  }

  #write(level: LogLevel, text: string, properties: Record<string, unknown> = {}): void {
    this.#log.write(
      { time: Date.now(), level, logger: "dramatiq.supervisor", text, properties },
      { name: "supervisor", pid: process.pid },
    );
  }

  /**
   * A child has started to work. The first worker reports the forks of the middleware, so forks are
   * started when it is ready: at the start and in a reload, but not when it replaces one that died.
   */
  slotReady(slot: ChildSlot, child: Child, { text, forks }: ReadyRecord): void {
    this.#log.write(
      { time: Date.now(), level: "info", logger: "dramatiq.worker", text, properties: {} },
      child,
    );
    if (slot.role.kind === "fork") return;
    this.observer?.workerReady();
    if (slot !== this.#workers[0]) return;
    const isFirstTime = !this.#hasWorked;
    this.#hasWorked = true;
    if (this.isStopping) return;
    if (isFirstTime) this.observer?.working();
    if (isFirstTime || this.#state.name === "reloading") this.#startForks(forks);
  }

  /** Stops all if a slot has given up. With `--watch`, waits for a change of the code instead. */
  slotFailed(slot: ChildSlot, reason: string, ending: Ending): void {
    if (this.isStopping) return;
    const waits = this.#args.watch !== undefined && slot.role.kind === "worker";
    if (waits) {
      if (slot !== this.#workers[0]) return; // all would log the same
      this.#write("error", reason);
      return this.log("info", "Waiting for a change in {folder}", { folder: this.#args.watch });
    }
    this.#write("fatal", reason);
    this.#stopAll(ending.code || KILLED);
  }

  /** Ends the supervisor once all slots are empty. */
  slotEmptied(): void {
    const state = this.#state;
    const slots = [...this.#workers, ...this.#forks];
    if (!("since" in state) || state.name === "ended") return;
    if (slots.some((slot) => slot.isBusy)) return;
    const { since } = state;
    const endedBadly = slots.some((slot) => slot.endedBadly);
    const exitCode = state.exitCode ?? (endedBadly ? KILLED : OK);
    this.#state = { name: "ended", since, exitCode };
    if (this.#hasWorked) {
      const took = formatDuration(performance.now() - since);
      this.log("info", "Stopped after {took}", { took });
    }
    this.#ended.resolve(exitCode);
  }

  #stop(signal: string): void {
    const state = this.#state;
    if (!("since" in state)) {
      const again = process.stdin.isTTY ? "; a second signal kills them" : "";
      this.log("info", `Stopping after {signal}: running actors may finish${again}`, { signal });
      return this.#stopAll();
    }
    if (state.name !== "stopping" || performance.now() - state.since < SAME_KEYSTROKE) return;
    this.#state = { name: "killing", since: state.since, exitCode: KILLED };
    this.log("warning", "Killing all processes after another {signal}", { signal });
    for (const slot of [...this.#workers, ...this.#forks]) slot.kill();
  }

  #stopAll(exitCode?: number): void {
    this.#state = { name: "stopping", since: performance.now(), exitCode };
    this.observer?.stopping();
    for (const slot of [...this.#workers, ...this.#forks]) slot.stop();
  }

  /** Starts new forks, reloads existing ones, and stops those that were removed. */
  #startForks(ofMiddleware: number): void {
    const wanted = [...this.#args.forkFunctions, ...Array(ofMiddleware).keys()];
    const previous = this.#forks;
    this.#forks = wanted.map((name, i) => {
      const same = previous.find(({ role }) => role.kind === "fork" && role.function === name);
      if (same !== undefined) {
        same.reload();
        return same;
      }
      const slot = new ChildSlot(
        { kind: "fork", number: i + 1, function: name },
        this.#settings,
        this,
      );
      slot.start();
      return slot;
    });
    for (const slot of previous) {
      if (!this.#forks.includes(slot)) slot.stop();
    }
  }

  #reopenLog(): void {
    try {
      this.#log.reopen();
    } catch (error) {
      this.#write("error", (error as Error).message);
    }
  }

  async #logStatus(): Promise<void> {
    const uptime = formatDuration(performance.now() - this.#startedAt);
    const state = this.isStopping ? "stopping" : this.#state.name;
    this.log("info", "Status: {state}, up {uptime}", { state, uptime });
    for (const { current, role } of this.#workers) {
      if (current === undefined) {
        this.log("warning", "Restarting {name}", { name: `worker-${role.number}` });
      }
    }
    await Promise.all(this.children.map((child) => this.#logStatusOf(child)));
  }

  async #logStatusOf(child: Child): Promise<void> {
    const status = child.isReady ? await child.status() : undefined;
    const [text, properties] = formatStatus(status, child);
    const level = status === undefined ? "warning" : "info";
    this.#log.write(
      { time: Date.now(), level, logger: "dramatiq.status", text, properties },
      child,
    );
  }
}
