import { nextTurn } from "../../platform/runtime.ts";
import { Notifier } from "../../platform/notifier.ts";
import type { SqliteDatabase, SqliteStatement } from "./database.ts";
import { faultOf } from "./errors.ts";
import { rollBack } from "./schema.ts";
import { WriteOutage } from "./write_outage.ts";

/** Statements to run in a transaction. */
export interface WriteJob {
  /** True if it needs a transaction of its own. */
  readonly isAlone?: boolean;
  /** Runs the statements. If it throws, the transaction is rolled back. */
  run(): void;
  /** Called after the commit. */
  committed(): void;
  /** Called if the transaction was not committed. */
  failed(error: unknown): void;
}

/** The connection of a {@linkcode Writer}. */
export interface WriterOwner {
  /** Name of the database in logs. */
  readonly path: string;
  /** The database, once it is open. */
  readonly database: SqliteDatabase | undefined;
  /** Returns a prepared statement. */
  statement(sql: string): SqliteStatement;
  /** Milliseconds to wait for the lock. */
  readonly lockTimeout: number;
  /** Opens the database. */
  open(): Promise<void>;
  /** Called before each transaction. Throws if the database was lost. */
  check(): void;
  /** Translates an error of a statement. */
  translate(error: unknown): unknown;
  /** Translates an error of a commit, which may have taken effect. */
  translateCommitError(error: unknown): unknown;
}

/** Milliseconds after which a transaction is committed, so as not to block the event loop. */
const MAX_TRANSACTION = 4;
/** Number of jobs between two checks of the time. */
const JOBS_PER_CHECK = 16;
const MAX_JOBS = 1_000;
/** Maximum of milliseconds between two attempts to get the lock. */
const MAX_PAUSE = 8;

/**
 * Runs jobs in transactions, many of them in one. No other code begins a transaction.
 *
 * idle ─(job)▶ scheduled ─(end of the turn)▶ running ─(database locked)▶ waiting ─(timer)▶ running
 *
 * Nothing is awaited inside a transaction, and SQLite never waits for a lock: attempts are repeated by
 * timer, so that the event loop is not blocked.
 */
export class Writer {
  readonly #owner: WriterOwner;
  #urgent: WriteJob[] = [];
  #jobs: WriteJob[] = [];
  #head = 0;
  #isScheduled = false;
  /** Start of the wait for the lock, by `performance.now()`. */
  #busySince: number | undefined;
  #attempts = 0;
  readonly #idle: Notifier = new Notifier();
  readonly #outage: WriteOutage;
  readonly #flush = (): void => {
    this.#isScheduled = false;
    this.#run();
  };

  constructor(owner: WriterOwner) {
    this.#owner = owner;
    this.#outage = new WriteOutage(() => owner.path);
  }

  /** Adds a job. */
  add(job: WriteJob): void {
    this.#jobs.push(job);
    this.#schedule();
  }

  /** Adds a job that runs before all others: a heartbeat. */
  addFirst(job: WriteJob): void {
    this.#urgent.push(job);
    this.#schedule();
  }

  /**
   * Runs statements in a transaction, which other jobs may share.
   *
   * @param statements Runs the statements.
   * @returns The result of the function, after the commit.
   */
  transact<T>(statements: () => T): Promise<T> {
    return this.#transact(statements, { isAlone: false });
  }

  /**
   * Runs statements in a transaction of their own.
   *
   * @param statements Runs the statements.
   * @returns The result of the function, after the commit.
   */
  transactAlone<T>(statements: () => T): Promise<T> {
    return this.#transact(statements, { isAlone: true });
  }

  #transact<T>(statements: () => T, { isAlone }: { isAlone: boolean }): Promise<T> {
    return new Promise((resolve, reject) => {
      let result: T;
      this.add({
        isAlone,
        run: () => void (result = statements()),
        committed: () => resolve(result),
        failed: reject,
      });
    });
  }

  /** Resolves when no job is left. */
  async drained(): Promise<void> {
    while (this.#size > 0) await this.#idle.next();
  }

  get #size(): number {
    return this.#urgent.length + this.#jobs.length - this.#head;
  }

  #schedule(): void {
    if (this.#isScheduled) return;
    this.#isScheduled = true;
    nextTurn().then(this.#flush);
  }

  #run(): void {
    const { database } = this.#owner;
    if (database === undefined) {
      this.#isScheduled = true;
      this.#owner.open().then(this.#flush, (error) => {
        this.#isScheduled = false;
        this.#failAll(error);
      });
      return;
    }
    try {
      this.#owner.check();
      this.#owner.statement("begin immediate").run();
    } catch (error) {
      this.#notBegun(error);
      return this.#ended();
    }
    this.#busySince = undefined;
    this.#attempts = 0;
    this.#transaction(database);
    this.#ended();
  }

  #transaction(database: SqliteDatabase): void {
    const ran: WriteJob[] = [];
    let isCommit = false;
    try {
      this.#runJobs(ran);
      isCommit = true;
      this.#owner.statement("commit").run();
    } catch (error) {
      rollBack(database);
      // Without a write-ahead log, readers may block a commit.
      if (faultOf(error) === "busy" && !ran.some(({ isAlone }) => isAlone)) {
        this.#jobs = [...ran, ...this.#jobs.slice(this.#head)];
        this.#head = 0;
        return this.#notBegun(error);
      }
      const reason = isCommit
        ? this.#owner.translateCommitError(error)
        : this.#owner.translate(error);
      this.#outage.failed(reason);
      for (const job of ran) job.failed(reason);
      return;
    }
    this.#outage.ended();
    for (const job of ran) job.committed();
  }

  /** Runs jobs for the time of one transaction, and adds them to `ran`, one that throws included. */
  #runJobs(ran: WriteJob[]): void {
    const endsAt = performance.now() + MAX_TRANSACTION;
    const urgent = this.#urgent;
    this.#urgent = [];
    ran.push(...urgent);
    for (const job of urgent) job.run();
    while (this.#head < this.#jobs.length) {
      const job = this.#jobs[this.#head]!;
      if (job.isAlone && ran.length > 0) break;
      this.#head += 1;
      ran.push(job);
      job.run();
      if (job.isAlone || ran.length >= MAX_JOBS) break;
      if (ran.length % JOBS_PER_CHECK === 0 && performance.now() >= endsAt) break;
    }
    if (this.#head < this.#jobs.length) return;
    this.#jobs = [];
    this.#head = 0;
  }

  #notBegun(error: unknown): void {
    if (faultOf(error) !== "busy") {
      const reason = this.#owner.translate(error);
      this.#outage.failed(reason);
      return this.#failAll(reason);
    }
    this.#outage.waits();
    const now = performance.now();
    this.#busySince ??= now;
    if (now - this.#busySince >= this.#owner.lockTimeout) {
      this.#busySince = undefined;
      this.#attempts = 0;
      return this.#failAll(this.#owner.translate(error));
    }
    const pause = 1 + Math.random() * Math.min(MAX_PAUSE, 2 ** this.#attempts++);
    this.#isScheduled = true;
    setTimeout(this.#flush, pause);
  }

  /** Fails all present jobs. Jobs that they add meanwhile are run. */
  #failAll(error: unknown): void {
    const jobs = [...this.#urgent, ...this.#jobs.slice(this.#head)];
    this.#urgent = [];
    this.#jobs = [];
    this.#head = 0;
    for (const job of jobs) job.failed(error);
    this.#ended();
  }

  #ended(): void {
    if (this.#size > 0) {
      this.#schedule();
      return;
    }
    this.#idle.notify();
  }
}
