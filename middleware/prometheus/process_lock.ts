import { lstatSync, type Stats, utimesSync } from "node:fs";
import { DatabaseSync } from "node:sqlite";

/** The option `timeout` says the same; Deno ignores it when a file is opened for reading. */
const DO_NOT_WAIT = "PRAGMA busy_timeout = 0";

/**
 * A lock on a file that the system releases when its process dies, however it dies.
 *
 * Node, Deno and Bun share no `flock`, but all have SQLite, which locks its files that
 * way. The file is an empty database with an exclusive transaction that never writes.
 * A pid in a file would not do: other processes would have to check whether it is alive,
 * and in a container the next process often has the same pid.
 */
export class ProcessLock {
  readonly #path: string;
  readonly #database: DatabaseSync;
  /** The file, which may be deleted or replaced later. */
  readonly #file: Stats | undefined;

  private constructor(path: string, database: DatabaseSync) {
    this.#path = path;
    this.#database = database;
    this.#file = statsOf(path);
  }

  /** False if the file was deleted or replaced: then other processes can take the lock. */
  get isInPlace(): boolean {
    const found = statsOf(this.#path);
    return found !== undefined && found.ino === this.#file?.ino && found.dev === this.#file.dev;
  }

  /**
   * Takes a lock if it is free.
   *
   * @param path The file, which is created if it does not exist, and stays.
   * @returns The lock; `undefined` if another process has it.
   * @throws If the file cannot be opened.
   */
  static take(path: string): ProcessLock | undefined {
    const database = new DatabaseSync(path);
    try {
      database.exec(`${DO_NOT_WAIT}; PRAGMA journal_mode = MEMORY; BEGIN EXCLUSIVE`);
      return new ProcessLock(path, database);
    } catch (error) {
      database.close();
      if (isBusy(error)) return undefined;
      throw error;
    }
  }

  /**
   * Checks whether a process has a lock, without taking it.
   *
   * @param path The file.
   * @returns True if a process has it; false for a file that does not exist, or is not a regular
   * file: opening a named pipe would wait for its other end.
   */
  static isTaken(path: string): boolean {
    let database: DatabaseSync | undefined;
    try {
      if (!lstatSync(path).isFile()) return false;
      database = new DatabaseSync(path, { readOnly: true });
      database.exec(`${DO_NOT_WAIT}; SELECT name FROM sqlite_schema`);
      return false;
    } catch (error) {
      return isBusy(error);
    } finally {
      database?.close();
    }
  }

  /** Updates the time of the file, because systems delete old ones from temporary folders. */
  touch(): void {
    const now = new Date();
    utimesSync(this.#path, now, now);
  }

  /** Releases the lock. */
  release(): void {
    this.#database.close();
  }
}

function statsOf(path: string): Stats | undefined {
  try {
    return lstatSync(path);
  } catch {
    return undefined; // deleted, or its folder was replaced
  }
}

/** SQLITE_BUSY: only its text is the same in all runtimes. */
function isBusy(error: unknown): boolean {
  return error instanceof Error && /database is locked/.test(error.message);
}
