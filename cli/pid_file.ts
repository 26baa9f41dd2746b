import { chmodSync, closeSync, openSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import process from "node:process";
import { errorMessage } from "../core/thrown.ts";

/** The pid file is in use, or cannot be used. */
export class PidFileError extends Error {
  static {
    this.prototype.name = "PidFileError";
  }
}

/**
 * The file that holds the process id of the supervisor while that runs: digits without
 * a line break, mode 644. One that a dead process has left is replaced; one that holds
 * anything else is left alone, since it may be somebody's configuration.
 *
 * Source: the cases `pid-file…` in `tests/vectors/cli.json`.
 */
export class PidFile implements Disposable {
  readonly #path: string;

  /**
   * Writes the file.
   *
   * @param path Where.
   * @throws {PidFileError} If it names a process that runs, holds anything else, or cannot be
   *   written.
   */
  constructor(path: string) {
    this.#path = path;
    if (this.#write()) return;
    this.#assertStale();
    rmSync(path, { force: true });
    if (!this.#write()) throw new PidFileError(`Cannot use pid file ${path}: another one took it`);
  }

  /** Removes it, if it is still that of this process. */
  [Symbol.dispose](): void {
    try {
      if (readFileSync(this.#path, "utf8") === String(process.pid)) rmSync(this.#path);
    } catch {
      // Somebody has removed it.
    }
  }

  /** Whether it was not there before. */
  #write(): boolean {
    try {
      const file = openSync(this.#path, "wx", 0o644);
      writeFileSync(file, String(process.pid));
      closeSync(file);
      chmodSync(this.#path, 0o644); // whatever the umask
      return true;
    } catch (error) {
      if ((error as { code?: string }).code === "EEXIST") return false;
      throw this.#error(`it cannot be written: ${errorMessage(error)}`, error);
    }
  }

  #assertStale(): void {
    const text = this.#read();
    if (!/^\d+\n?$/.test(text)) throw this.#error("it holds something else than a process id");
    const pid = Number(text);
    // In a container that was killed and starts again, every process has the id that it had.
    if (pid === process.pid || !isRunning(pid)) return;
    throw this.#error(`process ${pid}, which it names, is running`);
  }

  #read(): string {
    try {
      return readFileSync(this.#path, "utf8");
    } catch (error) {
      throw this.#error(`it cannot be read: ${errorMessage(error)}`, error);
    }
  }

  #error(reason: string, cause?: unknown): PidFileError {
    return new PidFileError(`Cannot use pid file ${this.#path}: ${reason}`, { cause });
  }
}

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as { code?: string }).code !== "ESRCH"; // EPERM: it is somebody else's
  }
}
