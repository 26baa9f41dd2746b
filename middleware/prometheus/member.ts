import { setInterval } from "node:timers";
import { errorMessage } from "../../platform/thrown.ts";
import { getLogger } from "../../platform/logging.ts";
import type { Exposition } from "./exposition.ts";
import { ExpositionServer } from "./exposition_server.ts";
import { MetricsFolder } from "./folder.ts";
import type { MetricsSettings } from "./settings.ts";
import { openPrivateFile } from "./private_files.ts";
import { ProcessLock } from "./process_lock.ts";
import { loadPromClient } from "./prom_client.ts";

const log = /* @__PURE__ */ getLogger("middleware", "Prometheus");

/** Milliseconds between two steps, which write counts and check whether this process must take over. */
const INTERVAL = 1_000;
/** Shortest pause between steps, in durations of the last step: steps take at most 5 % of the time. */
const REST = 19;

/** The option and variable that name the lock, for errors. */
const LOCK_SETTING = "lock, or dramatiq_prom_lock";

type Action = "write" | "serve";

/**
 * A process of those that share metrics:
 *
 * waiting ─▶ elected (has the lock) ─▶ serving (listens) ─▶ left
 *
 * All of them write their counts to the folder. The lock of a process that dies is free at
 * once, and the next process that tries takes over. While another program has the port, the
 * elected process keeps trying. A process whose lock file was deleted takes the lock again, or stops
 * serving if another process has it by then.
 */
export class Member implements AsyncDisposable {
  /** Folder shared with the other processes. */
  readonly folder: MetricsFolder;
  readonly #settings: MetricsSettings;
  readonly #exposition: Exposition;
  readonly #timer: ReturnType<typeof setInterval>;
  #lock: ProcessLock | undefined;
  #server: ExpositionServer | undefined;
  #step: Promise<void>;
  #isStepping = false;
  #restsUntil = 0;
  /** The failures that were logged and have not ended, by action. */
  readonly #failures: Map<Action, string> = new Map();
  /** The process that the log named last as the one that serves. */
  #reportedPid: number | undefined;

  private constructor(folder: MetricsFolder, settings: MetricsSettings, exposition: Exposition) {
    this.folder = folder;
    this.#settings = settings;
    this.#exposition = exposition;
    this.#timer = setInterval(() => {
      if (!this.#isStepping && performance.now() >= this.#restsUntil) this.#step = this.#takeStep();
    }, INTERVAL);
    this.#timer.unref();
    this.#step = this.#takeStep();
  }

  /**
   * Joins the others, and serves if none of them does.
   *
   * @param settings The folder and the address.
   * @param exposition The metrics to write and to serve.
   * @returns This process among the others.
   * @throws If the folder cannot be used, or prom-client is not installed.
   */
  static async join(settings: MetricsSettings, exposition: Exposition): Promise<Member> {
    await loadPromClient(); // fail now rather than at the first request
    await openPrivateFile(settings.lock, LOCK_SETTING);
    const folder = await MetricsFolder.join(settings.database);
    const member = new Member(folder, settings, exposition);
    await member.#step;
    return member;
  }

  /** Writes a last time, and lets another process serve. */
  async [Symbol.asyncDispose](): Promise<void> {
    clearInterval(this.#timer);
    await this.#step;
    await this.#server?.[Symbol.asyncDispose]();
    await this.#try("write", () => this.#write());
    this.#lock?.release();
    this.folder.leave();
  }

  /** Never rejects. A process that cannot write serves what it has. */
  async #takeStep(): Promise<void> {
    this.#isStepping = true;
    await this.#try("write", async () => {
      const start = performance.now();
      await this.#write();
      this.#restsUntil = performance.now() + REST * (performance.now() - start);
      await this.folder.touch();
    });
    await this.#try("serve", () => this.#serveIfElected());
    this.#isStepping = false;
  }

  async #try(action: Action, run: () => Promise<void>): Promise<void> {
    try {
      await run();
      this.#failures.delete(action);
    } catch (error) {
      this.#complain(action, error);
    }
  }

  async #write(): Promise<void> {
    await this.folder.write(await this.#exposition.own());
  }

  async #serveIfElected(): Promise<void> {
    if (this.#lock?.isInPlace === false) {
      this.#lock.release();
      this.#lock = undefined;
    }
    this.#lock ??= await takeLock(this.#settings.lock);
    if (this.#lock === undefined) {
      await this.#server?.[Symbol.asyncDispose]();
      this.#server = undefined;
      await this.#tellWhoServes();
      return;
    }
    if (this.#server === undefined) await this.#listen();
    this.#lock.touch();
  }

  async #listen(): Promise<void> {
    const { host, port } = this.#settings;
    this.#server = await ExpositionServer.listen(
      host,
      port,
      (method) => this.#exposition.answer(method, this.folder),
    );
    log.info("Serving metrics on http://{host}:{port}", { host, port: this.#server.port });
    await this.folder.serves(host, this.#server.port);
  }

  /** Logs it for the user of a second application with the same folder, whose port does not answer. */
  async #tellWhoServes(): Promise<void> {
    const serving = await this.folder.whoServes();
    if (serving === undefined || serving.pid === this.#reportedPid) return;
    this.#reportedPid = serving.pid;
    log.info("Metrics of this process are served by process {pid}, on http://{host}:{port}", {
      ...serving,
    });
  }

  /** Logs a failure once when it starts, not every second. */
  #complain(action: Action, error: unknown): void {
    const reason = (error as { code?: string }).code === "EADDRINUSE"
      ? "another program listens there"
      : errorMessage(error);
    if (this.#failures.get(action) === reason) return;
    this.#failures.set(action, reason);
    const { database: folder, host, port } = this.#settings;
    if (action === "write") {
      log.error("Retrying to write metrics to {folder}: {reason}", {
        folder,
        reason,
        error,
      });
      return;
    }
    log.error("Retrying to serve metrics on {host}:{port}: {reason}", {
      host,
      port,
      reason,
      error,
    });
  }
}

/** @throws If the file is not a lock of this user; the message names it and the variable. */
async function takeLock(path: string): Promise<ProcessLock | undefined> {
  await openPrivateFile(path, LOCK_SETTING);
  try {
    return ProcessLock.take(path);
  } catch (error) {
    throw new Error(`it cannot lock ${path} (${LOCK_SETTING}): ${errorMessage(error)}`, {
      cause: error,
    });
  }
}
