import { setInterval } from "node:timers";
import { errorMessage } from "../../core/thrown.ts";
import { getLogger } from "../../core/logging.ts";
import type { Exposition } from "./exposition.ts";
import { ExpositionServer } from "./exposition_server.ts";
import { MetricsFolder } from "./folder.ts";
import type { Place } from "./place.ts";
import { openPrivateFile } from "./private_files.ts";
import { ProcessLock } from "./process_lock.ts";
import { loadPromClient } from "./prom_client.ts";

const log = getLogger("middleware", "Prometheus");

/** Milliseconds between looks at what is to be written, and whether somebody has to take over. */
const INTERVAL = 1_000;

/**
 * A process among those that keep metrics together:
 *
 * waiting ─▶ elected (has the lock) ─▶ serving (listens) ─▶ left
 *
 * All write what they counted to the folder. The lock of a process that dies is free at
 * once, and the next one that looks takes over. While the port is somebody else's, the
 * elected one keeps trying.
 */
export class Member implements AsyncDisposable {
  /** Where the others are. */
  readonly folder: MetricsFolder;
  readonly #place: Place;
  readonly #exposition: Exposition;
  readonly #timer: ReturnType<typeof setInterval>;
  #lock: ProcessLock | undefined;
  #server: ExpositionServer | undefined;
  #step: Promise<void>;
  #isStepping = false;
  /** The failure that was logged and has not ended. */
  #trouble: string | undefined;

  private constructor(folder: MetricsFolder, place: Place, exposition: Exposition) {
    this.folder = folder;
    this.#place = place;
    this.#exposition = exposition;
    this.#timer = setInterval(() => {
      if (!this.#isStepping) this.#step = this.#takeStep();
    }, INTERVAL);
    this.#timer.unref();
    this.#step = this.#takeStep();
  }

  /**
   * Joins the others, and serves if none of them does.
   *
   * @param place Where.
   * @param exposition What there is to write and to serve.
   * @returns This process among the others.
   * @throws If the folder cannot be used, or prom-client is not there.
   */
  static async join(place: Place, exposition: Exposition): Promise<Member> {
    await loadPromClient(); // it is better to miss it now than when somebody asks
    await openPrivateFile(place.lock, "lock, or dramatiq_prom_lock");
    const folder = await MetricsFolder.join(place.database);
    const member = new Member(folder, place, exposition);
    await member.#step;
    return member;
  }

  /** Writes a last time, and lets another one serve. */
  async [Symbol.asyncDispose](): Promise<void> {
    clearInterval(this.#timer);
    await this.#step;
    await this.#server?.[Symbol.asyncDispose]();
    try {
      await this.folder.write(await this.#exposition.own());
    } finally {
      this.#lock?.release();
      this.folder.leave();
    }
  }

  /** Never rejects. */
  async #takeStep(): Promise<void> {
    this.#isStepping = true;
    try {
      await this.folder.write(await this.#exposition.own());
      this.#lock ??= ProcessLock.take(this.#place.lock);
      if (this.#lock !== undefined && this.#server === undefined) await this.#listen();
      await this.folder.touch();
      this.#lock?.touch();
      this.#trouble = undefined;
    } catch (error) {
      this.#complain(error);
    } finally {
      this.#isStepping = false;
    }
  }

  async #listen(): Promise<void> {
    const { host, port } = this.#place;
    this.#server = await ExpositionServer.listen(
      host,
      port,
      (method) => this.#exposition.answer(method, this.folder),
    );
    log.info("Serves metrics on http://{host}:{port}", { host, port: this.#server.port });
  }

  /** Once when it starts, not every second. */
  #complain(error: unknown): void {
    const { host, port } = this.#place;
    const reason = (error as { code?: string }).code === "EADDRINUSE"
      ? "another program listens there"
      : errorMessage(error);
    if (this.#trouble === reason) return;
    this.#trouble = reason;
    log.error("Cannot serve metrics on {host}:{port}, and keeps trying: {reason}", {
      host,
      port,
      reason,
      error,
    });
  }
}
