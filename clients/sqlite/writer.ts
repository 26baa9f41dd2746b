import { nextTurn } from "../../platform/runtime.ts";
import { Notifier } from "../../platform/notifier.ts";
import type { SqliteDatabase, SqliteStatement } from "./database.ts";
import { faultOf } from "./errors.ts";
import { rollBack } from "./schema.ts";
import { WriteOutage } from "./write_outage.ts";

/** Statements that are to run in a transaction. */
export interface WriteJob {
  /** True if the transaction is its own. */
  readonly isAlone?: boolean;
  /** Runs the statements; what it throws rolls the transaction back. */
  run(): void;
  /** Called once the transaction is committed. */
  committed(): void;
  /** Called when it is not. */
  failed(error: unknown): void;
}

/** Connection, as a {@linkcode Writer} sees it. */
export interface WriterOwner {
  /** Name of the database in logs. */
  readonly path: string;
  /** The database, once it is open. */
  readonly database: SqliteDatabase | undefined;
  /** A prepared statement. */
  statement(sql: string): SqliteStatement;
  /** Milliseconds to wait for the lock. */
  readonly lockTimeout: number;
  /** Opens the database. */
  open(): Promise<void>;
  /** Called before each transaction; may find that the database is lost. */
  check(): void;
  /** Translates an error. */
  translate(error: unknown, isCommit: boolean): unknown;
}

/** Milliseconds after which a transaction is committed and the event loop gets its turn. */
const LONGEST_TRANSACTION = 4;
/** Jobs between two looks at the time. */
const JOBS_PER_LOOK = 16;
const MAX_JOBS = 1_000;
/** Milliseconds between two attempts to get the lock, at most. */
const LONGEST_PAUSE = 8;

/**
 * Runs jobs in transactions, as many of them as there are in one. It is the only part that begins
 * a transaction.
 *
 * idle ─(job)▶ scheduled ─(end of the turn)▶ running ─(lock not had)▶ waiting for it ─▶ running
 *
 * Nothing is awaited inside a transaction, and nothing waits inside SQLite: the lock of another
 * process is tried again by timer, so that the event loop never stands still.
 */
export class Writer {
  readonly #owner: WriterOwner;
  #urgent: WriteJob[] = [];
  #jobs: WriteJob[] = [];
  #head = 0;
  #isScheduled = false;
  /** When the lock was first not had, by `performance.now()`. */
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

  /** Adds a job that goes before all others: a heartbeat. */
  addFirst(job: WriteJob): void {
    this.#urgent.push(job);
    this.#schedule();
  }

  /**
   * Runs statements in a transaction.
   *
   * @param statements What to run.
   * @param isAlone Whether the transaction is its own.
   * @returns What they return, once that is committed.
   */
  transact<T>(statements: () => T, isAlone = false): Promise<T> {
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
      // Where there is no write-ahead log, readers may hold up a commit.
      if (faultOf(error) === "busy" && !ran.some(({ isAlone }) => isAlone)) {
        this.#jobs = [...ran, ...this.#jobs.slice(this.#head)];
        this.#head = 0;
        return this.#notBegun(error);
      }
      const reason = this.#owner.translate(error, isCommit);
      this.#outage.failed(reason);
      for (const job of ran) job.failed(reason);
      return;
    }
    this.#outage.ended();
    for (const job of ran) job.committed();
  }

  /** Runs jobs until their time is over. Those that ran, or tried to, are in `ran`. */
  #runJobs(ran: WriteJob[]): void {
    const endsAt = performance.now() + LONGEST_TRANSACTION;
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
      if (ran.length % JOBS_PER_LOOK === 0 && performance.now() >= endsAt) break;
    }
    if (this.#head < this.#jobs.length) return;
    this.#jobs = [];
    this.#head = 0;
  }

  #notBegun(error: unknown): void {
    if (faultOf(error) !== "busy") {
      const reason = this.#owner.translate(error, false);
      this.#outage.failed(reason);
      return this.#failAll(reason);
    }
    this.#outage.waits();
    const now = performance.now();
    this.#busySince ??= now;
    if (now - this.#busySince >= this.#owner.lockTimeout) {
      this.#busySince = undefined;
      this.#attempts = 0;
      return this.#failAll(this.#owner.translate(error, false));
    }
    const pause = 1 + Math.random() * Math.min(LONGEST_PAUSE, 2 ** this.#attempts++);
    this.#isScheduled = true;
    setTimeout(this.#flush, pause);
  }

  /** Fails what is there now: what they add is tried anew. */
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
