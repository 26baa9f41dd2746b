import { utimesSync } from "node:fs";
import { DatabaseSync } from "node:sqlite";

/** The option `timeout` says the same; Deno ignores it when a file is opened for reading. */
const DO_NOT_WAIT = "PRAGMA busy_timeout = 0";

/**
 * A lock on a file that the system takes back when its process dies, however that
 * happens.
 *
 * Node, Deno and Bun have no `flock` in common, but SQLite, which locks its files in
 * that way. The file is an empty database with an exclusive transaction that never
 * writes. A file with a pid in it would need somebody to find out whether that process
 * still lives, and in a container the next one often has the same pid.
 */
export class ProcessLock {
  readonly #path: string;
  readonly #database: DatabaseSync;

  private constructor(path: string, database: DatabaseSync) {
    this.#path = path;
    this.#database = database;
  }

  /**
   * Takes a lock if nobody has it.
   *
   * @param path The file, which is made if it is not there, and stays.
   * @returns The lock, or nothing when another process has it.
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
   * Tells whether a process has a lock, without taking it.
   *
   * @param path The file.
   * @returns Whether one has it; nobody has what is not there.
   */
  static isTaken(path: string): boolean {
    let database: DatabaseSync | undefined;
    try {
      database = new DatabaseSync(path, { readOnly: true });
      database.exec(`${DO_NOT_WAIT}; SELECT name FROM sqlite_schema`);
      return false;
    } catch (error) {
      return isBusy(error);
    } finally {
      database?.close();
    }
  }

  /** Makes the file look young: temporary folders are cleaned of old ones. */
  touch(): void {
    const now = new Date();
    utimesSync(this.#path, now, now);
  }

  /** Gives it back. */
  release(): void {
    this.#database.close();
  }
}

/** SQLITE_BUSY: the runtimes agree on its text alone. */
function isBusy(error: unknown): boolean {
  return error instanceof Error && /database is locked/.test(error.message);
}
