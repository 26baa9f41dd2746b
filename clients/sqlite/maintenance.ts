import { getLogger } from "../../platform/logging.ts";
import { builtinModule, mayRead } from "../../platform/runtime.ts";
import { errorMessage } from "../../platform/thrown.ts";
import type { CheckedAddress } from "./address.ts";
import type { SqliteDatabase, SqliteStatement } from "./database.ts";
import type { WriteJob } from "./writer.ts";

const log = /* @__PURE__ */ getLogger("sqlite", "maintenance");

/** Milliseconds between two runs. */
const INTERVAL = 5_000;
/** Maximum of rows that one step deletes. */
export const PURGE_BATCH = 500;
/** Bytes of free pages, and their share of the file, above which they are returned to the file system. */
const MANY_FREE_BYTES = 16 * 1024 * 1024;
const MUCH_FREE = 0.25;
/** Bytes of the write-ahead log above which it is checkpointed, and above which a warning is logged. */
const LONG_LOG = 64 * 1024 * 1024;
const VERY_LONG_LOG = 256 * 1024 * 1024;

/** A task that is run every few seconds. */
export interface MaintenanceTask {
  /** True if there is something to do. Reads without a transaction. */
  isDue(): boolean;
  /** Runs one step, inside a transaction. */
  run(): void;
}

/** The connection to a database that is maintained. */
export interface MaintainedConnection {
  /** `undefined` while it is not open. */
  readonly database: SqliteDatabase | undefined;
  readonly address: CheckedAddress;
  readonly path: string;
  readonly writer: { add(job: WriteJob): void };
  statement(sql: string): SqliteStatement;
}

/** Maintenance of a database every few seconds, by each process that uses it. */
export class Maintenance {
  readonly #connection: MaintainedConnection;
  readonly #tasks: Set<MaintenanceTask> = new Set();
  #ranAt: number = performance.now();
  #hasWarned = false;

  constructor(connection: MaintainedConnection) {
    this.#connection = connection;
    this.#tasks.add({ isDue: () => this.#hasFreePages(), run: () => this.#freePages() });
  }

  /** Adds a task. */
  add(task: MaintenanceTask): void {
    this.#tasks.add(task);
  }

  /** Removes a task. */
  delete(task: MaintenanceTask): void {
    this.#tasks.delete(task);
  }

  /**
   * Runs the tasks, if it is time.
   *
   * @param now The time by `performance.now()`.
   */
  runIfDue(now: number): void {
    if (now - this.#ranAt < INTERVAL) return;
    this.#ranAt = now;
    this.run();
  }

  /** Runs the tasks. */
  run(): void {
    try {
      this.#checkLog();
      for (const task of this.#tasks) this.#runTask(task);
    } catch (error) {
      this.#failed(error);
    }
  }

  #runTask(task: MaintenanceTask): void {
    if (!this.#tasks.has(task) || !task.isDue()) return;
    this.#connection.writer.add({
      run: () => task.run(),
      committed: () => {
        if (this.#connection.database !== undefined) this.#runAgain(task);
      },
      failed: (error) => this.#failed(error),
    });
  }

  #runAgain(task: MaintenanceTask): void {
    try {
      this.#runTask(task);
    } catch (error) {
      this.#failed(error);
    }
  }

  #failed(error: unknown): void {
    log.debug("Failed to maintain {path}: {reason}", {
      path: this.#connection.path,
      reason: errorMessage(error),
    });
  }

  #hasFreePages(): boolean {
    const { database, address } = this.#connection;
    if (database === undefined || address.database !== undefined) return false;
    const free = this.#pragma("freelist_count");
    if (free * this.#pragma("page_size") < MANY_FREE_BYTES) return false;
    return this.#pragma("auto_vacuum") === 2 && free > MUCH_FREE * this.#pragma("page_count");
  }

  #pragma(name: string): number {
    const row = this.#connection.statement(`pragma ${name}`).get() as Record<string, number>;
    return row[name] ?? 0;
  }

  #freePages(): void {
    // `run` and `exec` would free a single page.
    this.#connection.statement("pragma incremental_vacuum(256)").all();
  }

  /** Checks the write-ahead log: it grows as long as a reader, or a backup, prevents a checkpoint. */
  #checkLog(): void {
    const { address, path, database } = this.#connection;
    if (address.database !== undefined || database === undefined) return;
    if (!mayRead(`${path}-wal`)) return;
    const fs = builtinModule("node:fs");
    const size = fs.statSync(`${path}-wal`, { throwIfNoEntry: false })?.size ?? 0;
    if (size <= LONG_LOG) {
      this.#hasWarned = false;
      return;
    }
    this.#connection.statement("pragma wal_checkpoint(passive)").get();
    if (size <= VERY_LONG_LOG || this.#hasWarned) return;
    this.#hasWarned = true;
    log.warn(
      "The log of {path} has {megabytes} MB: a program keeps a read transaction open for long",
      { path, megabytes: Math.round(size / 1024 / 1024) },
    );
  }
}
