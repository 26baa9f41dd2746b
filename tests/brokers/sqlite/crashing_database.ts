import { DatabaseSync } from "node:sqlite";
import type { SqliteDatabase, SqliteStatement } from "@dq/dramatiq/brokers/sqlite";

/**
 * A database whose process "dies" before or after one of its statements: nothing is written from
 * then on, and an open transaction is never committed.
 */
export class CrashingDatabase implements SqliteDatabase {
  /** Settles when it has crashed. */
  readonly crashed: Promise<void>;
  readonly #database: DatabaseSync;
  readonly #crashAt: number;
  readonly #crash: () => void;
  /** Texts of the statements that ran. */
  readonly ran: Set<string> = new Set();
  #points = 0;
  #isArmed = false;
  #isDead = false;

  /**
   * Opens a file.
   *
   * @param path The file.
   * @param crashAt How many points are passed: there is one before and one after each statement.
   * @param kill Ends the process; by default the database is closed as if it had.
   */
  constructor(path: string, crashAt: number, kill?: () => void) {
    this.#database = new DatabaseSync(path);
    this.#database.exec("pragma busy_timeout=0");
    this.#database.exec("pragma journal_mode=wal");
    this.#database.exec("pragma synchronous=off"); // processes die here, not the machine
    this.#crashAt = crashAt;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.crashed = promise;
    this.#crash = () => {
      kill?.();
      this.#database.close();
      resolve();
    };
  }

  /** True if it has crashed. */
  get isDead(): boolean {
    return this.#isDead;
  }

  /** Counts from now on. */
  arm(): void {
    this.#isArmed = true;
  }

  /** Closes it, if it has not crashed. */
  close(): void {
    if (!this.#isDead) this.#database.close();
    this.#isDead = true;
  }

  exec(sql: string): void {
    this.#around(sql, () => this.#database.exec(sql));
  }

  prepare(sql: string): SqliteStatement {
    if (this.#isDead) throw new Error("The process is dead");
    const statement = this.#database.prepare(sql);
    return {
      run: (...parameters) => this.#around(sql, () => statement.run(...parameters)),
      get: (...parameters) => this.#around(sql, () => statement.get(...parameters)),
      all: (...parameters) => this.#around(sql, () => statement.all(...parameters)),
    };
  }

  #around<T>(sql: string, call: () => T): T {
    this.#point();
    if (this.#isArmed) this.ran.add(sql);
    const result = call();
    this.#point();
    return result;
  }

  #point(): void {
    if (this.#isArmed && !this.#isDead && ++this.#points === this.#crashAt) {
      this.#isDead = true;
      this.#crash();
    }
    if (this.#isDead) throw new Error("The process is dead");
  }
}
