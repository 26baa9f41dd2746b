import {
  chmodSync,
  closeSync,
  lstatSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import process from "node:process";
import { errorMessage } from "../platform/thrown.ts";

/** Milliseconds that another process may take to check the file and put its own in place. */
const LOCK_TIMEOUT = 2_000;
const LOCK_INTERVAL = 5;

/** The pid file is in use, or cannot be used. */
export class PidFileError extends Error {
  static {
    this.prototype.name = "PidFileError";
  }
}

/**
 * The file that holds the process id of the supervisor while that runs: digits without a line
 * break, mode 644. One that a dead process has left is replaced; one that holds anything else is
 * left alone, since it may be a configuration file.
 *
 * Processes that start at the same moment take turns by `<path>.lock`. It is made exclusively,
 * holds what the file is to hold, and becomes the file by a rename: the check of a file and its
 * replacement are one step for everybody else.
 *
 * Source: the cases `pid-file…` in `tests/vectors/cli.json`.
 */
export class PidFile implements Disposable {
  readonly #path: string;
  readonly #lock: string;

  /**
   * Writes the file.
   *
   * @param path Where.
   * @throws {PidFileError} If it names a process that runs, holds anything else, is not a regular
   *   file, or cannot be written.
   */
  constructor(path: string) {
    this.#path = path;
    this.#lock = `${path}.lock`;
    this.#takeLock();
    try {
      this.#assertFreeOrStale();
      renameSync(this.#lock, path);
    } catch (error) {
      rmSync(this.#lock, { force: true });
      throw error instanceof PidFileError ? error : this.#unwritable(error);
    }
  }

  /** Removes it, if it is still that of this process. */
  [Symbol.dispose](): void {
    try {
      if (readFileSync(this.#path, "utf8") === String(process.pid)) rmSync(this.#path);
    } catch {
      // It was removed already.
    }
  }

  #takeLock(): void {
    const end = performance.now() + LOCK_TIMEOUT;
    while (!this.#writeLock()) {
      if (performance.now() >= end) {
        throw this.#error(
          `${this.#lock} is in the way; remove it if no other worker is starting just now`,
        );
      }
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, LOCK_INTERVAL);
    }
  }

  /** True if it was not there before. */
  #writeLock(): boolean {
    try {
      const file = openSync(this.#lock, "wx", 0o644);
      writeFileSync(file, String(process.pid));
      closeSync(file);
      chmodSync(this.#lock, 0o644); // whatever the umask
      return true;
    } catch (error) {
      if ((error as { code?: string }).code === "EEXIST") return false;
      throw this.#unwritable(error);
    }
  }

  #assertFreeOrStale(): void {
    const stats = lstatSync(this.#path, { throwIfNoEntry: false });
    if (stats === undefined) return;
    if (!stats.isFile()) throw this.#error("it is not a regular file");
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

  #unwritable(cause: unknown): PidFileError {
    return this.#error(`it cannot be written: ${errorMessage(cause)}`, cause);
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
    return (error as { code?: string }).code !== "ESRCH"; // EPERM: it belongs to another user
  }
}
