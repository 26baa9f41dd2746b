import {
  closeSync,
  fchmodSync,
  fstatSync,
  lstatSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  type Stats,
  writeFileSync,
} from "node:fs";
import process from "node:process";
import { errorMessage } from "../platform/thrown.ts";

/** Milliseconds to wait for the lock of another process. */
const LOCK_TIMEOUT = 2_000;
const LOCK_INTERVAL = 5;

/** The pid file is in use, or cannot be used. */
export class PidFileError extends Error {
  static {
    this.prototype.name = "PidFileError";
  }
}

/**
 * The file with the process id of the running supervisor: digits without a line break, mode 644.
 * The file of a dead process is replaced; a file with other content is refused, as it may be a
 * configuration file.
 *
 * Processes that start at the same moment lock `<path>.lock`. It is created exclusively, already
 * has the new content, and is renamed to the pid file: no other process can write between the check
 * and the replacement.
 *
 * Source: the cases `pid-file…` in `tests/vectors/cli.json`.
 */
export class PidFile implements Disposable {
  readonly #path: string;
  readonly #lock: string;
  /** The written file, which another one may replace at the same path. */
  #written: Stats | undefined;

  /**
   * Writes the file.
   *
   * @param path The path.
   * @throws {PidFileError} If the file has the id of a running process, has other content, is not a
   *   regular file, or cannot be written.
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

  /**
   * Removes the file if it is still the one that was written, and has the id of this process. The id
   * alone does not tell: in containers, supervisors that share a volume often have the same one.
   */
  [Symbol.dispose](): void {
    try {
      if (!this.#isInPlace()) return; // to read a named pipe would wait for a writer
      if (readFileSync(this.#path, "utf8") === String(process.pid)) rmSync(this.#path);
    } catch {
      // It was removed already.
    }
  }

  #isInPlace(): boolean {
    const found = lstatSync(this.#path);
    return found.isFile() && found.ino === this.#written?.ino && found.dev === this.#written.dev;
  }

  #takeLock(): void {
    const end = performance.now() + LOCK_TIMEOUT;
    while (!this.#writeLock()) {
      if (performance.now() >= end) {
        throw this.#error(
          `${this.#lock} exists; remove it if no other worker is starting now`,
        );
      }
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, LOCK_INTERVAL);
    }
  }

  /** Creates the lock. @returns False if another process has it. */
  #writeLock(): boolean {
    try {
      const file = openSync(this.#lock, "wx", 0o644);
      writeFileSync(file, String(process.pid));
      this.#written = fstatSync(file);
      fchmodSync(file, 0o644); // independent of the umask; the path may lead elsewhere by now
      closeSync(file);
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
    if (!/^\d+\n?$/.test(text)) throw this.#error("its content is not a process id");
    const pid = Number(text);
    // Its own id: a restarted container gives processes the same ids as before.
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
