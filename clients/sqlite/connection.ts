import { pause, systemClock } from "../../platform/clock.ts";
import { ConnectionClosed, ConnectionFailed } from "../../core/errors.ts";
import { getLogger } from "../../platform/logging.ts";
import { errorMessage } from "../../platform/thrown.ts";
import { type CheckedAddress, IN_MEMORY } from "./address.ts";
import {
  type ArrayStatement,
  fileOf,
  type OwnDatabase,
  prepareForArrays,
  type SqliteDatabase,
  type SqliteStatement,
} from "./database.ts";
import { faultOf, toConnectionError } from "./errors.ts";
import { Maintenance, type MaintenanceTask } from "./maintenance.ts";
import { ChangeNotifier } from "./change_notifier.ts";
import { identityOf, type OpenFile, openFile } from "./opening.ts";
import { migrate } from "./schema.ts";
import { Writer } from "./writer.ts";

const log = /* @__PURE__ */ getLogger("sqlite");

/** Milliseconds between two checks that the file has not been replaced. */
const IDENTITY_INTERVAL = 1_000;
/** Maximum of milliseconds between two attempts to open or read a locked file. */
const MAX_PAUSE = 20;

/**
 * Connections whose files were replaced. They are never closed: that would delete the write-ahead log of
 * the new file, which has the same name.
 */
const abandoned: OwnDatabase[] = [];

/**
 * A connection to a database, for all brokers and backends of this process that use it.
 *
 * new ─(first use)▶ opening ─▶ open ─(file replaced)▶ lost ─(next use)▶ opening …
 * any ─(close)▶ closed
 */
export class SqliteConnection {
  /** Address of the database. */
  readonly address: CheckedAddress;
  /** Runs transactions. */
  readonly writer: Writer;
  /** Notifies of commits. */
  readonly notifier: ChangeNotifier;
  /** Incremented with each opening, which invalidates cached ids. */
  epoch = 0;
  /** Milliseconds to wait for the lock of another program. */
  readonly lockTimeout: number;
  readonly #maintenance: Maintenance = new Maintenance(this);
  readonly #statements: Map<string, SqliteStatement> = new Map();
  readonly #arrayStatements: Map<string, ArrayStatement> = new Map();
  readonly #lossListeners: Set<(error: ConnectionClosed) => void> = new Set();
  #database: SqliteDatabase | undefined;
  #file: OpenFile | undefined;
  #opening: Promise<void> | undefined;
  #isClosed = false;
  #wasOpen = false;
  /** Time since which the file is lost or cannot be opened, by `performance.now()`. */
  #unavailableSince: number | undefined;
  #checkedAt = -Infinity;

  /** @param address Address of the database, which is opened on first use. */
  constructor(address: CheckedAddress) {
    this.address = address;
    this.lockTimeout = address.lockTimeout;
    this.writer = new Writer(this);
    this.notifier = new ChangeNotifier({
      dataVersion: () => this.#dataVersion(),
      tick: () => this.#tick(),
    });
  }

  /** Name of the database in errors and logs. */
  get path(): string {
    return this.#file?.path ?? this.address.path;
  }

  /** The database, while it is open. */
  get database(): SqliteDatabase | undefined {
    return this.#database;
  }

  /**
   * Opens the database, unless it is open, with retries while another process has locked it.
   *
   * @throws {BrokerConnectionError} If it cannot be opened.
   */
  open(): Promise<void> {
    if (this.#database !== undefined) return Promise.resolve();
    this.#opening ??= this.#open().finally(() => this.#opening = undefined);
    return this.#opening;
  }

  /**
   * Returns a statement, prepared on first use.
   *
   * @param sql Its text, a constant.
   * @throws {ConnectionFailed} If the database is not open.
   */
  statement(sql: string): SqliteStatement {
    const known = this.#statements.get(sql);
    if (known !== undefined) return known;
    const statement = this.#present.prepare(sql);
    this.#statements.set(sql, statement);
    return statement;
  }

  /**
   * Returns a statement whose rows are arrays, prepared on first use.
   *
   * @param sql Its text, a constant.
   * @throws {ConnectionFailed} If the database is not open.
   */
  arrayStatement(sql: string): ArrayStatement {
    const known = this.#arrayStatements.get(sql);
    if (known !== undefined) return known;
    const statement = prepareForArrays(this.#present, sql);
    this.#arrayStatements.set(sql, statement);
    return statement;
  }

  /**
   * Reads outside of a transaction.
   *
   * @param statements Runs the statements; called again if the database is locked.
   * @returns The result of the function.
   * @throws {BrokerConnectionError} If the database cannot be opened or read.
   */
  async read<T>(statements: () => T): Promise<T> {
    const begun = performance.now();
    for (let attempt = 0;; attempt++) {
      await this.open();
      try {
        this.check();
        return statements();
      } catch (error) {
        const isOver = performance.now() - begun >= this.lockTimeout;
        if (faultOf(error) !== "busy" || isOver) throw this.translate(error);
      }
      await shortPause(attempt);
    }
  }

  /** Translates an error of opening or of a statement, which had no effect. */
  translate(error: unknown): unknown {
    return toConnectionError(error, this.path, "none");
  }

  /** Translates an error of a commit, which may have taken effect. */
  translateCommitError(error: unknown): unknown {
    return toConnectionError(error, this.path, "unknown");
  }

  /** Checks, once a second at most, that the file was not replaced. Throws if it was. */
  check(): void {
    const now = performance.now();
    if (now - this.#checkedAt < IDENTITY_INTERVAL) return;
    this.#checkedAt = now;
    const file = this.#file;
    if (file?.identity !== undefined && identityOf(file.path) !== file.identity) {
      throw this.#lose(file);
    }
    this.notifier.check();
    this.#maintenance.runIfDue(now);
  }

  /** Adds a listener for the loss of the file: it was deleted, moved or replaced. */
  onLoss(listener: (error: ConnectionClosed) => void): void {
    this.#lossListeners.add(listener);
  }

  /** Removes a listener for the loss of the file. */
  offLoss(listener: (error: ConnectionClosed) => void): void {
    this.#lossListeners.delete(listener);
  }

  /** Adds a maintenance task. */
  maintain(task: MaintenanceTask): void {
    this.#maintenance.add(task);
  }

  /** Runs all maintenance tasks now. */
  runMaintenance(): void {
    this.#maintenance.run();
  }

  /** Removes a maintenance task. */
  unmaintain(task: MaintenanceTask): void {
    this.#maintenance.delete(task);
  }

  /** Runs the pending jobs, and closes the database unless it is the application's. */
  async close(): Promise<void> {
    await this.writer.drained();
    this.#isClosed = true;
    await this.#opening?.catch(() => {});
    this.#forget();
    this.#file?.database.close();
    this.#file = undefined;
  }

  get #present(): SqliteDatabase {
    if (this.#database !== undefined) return this.#database;
    throw new ConnectionFailed(`Cannot use ${this.path}: it is not open`, { delivery: "none" });
  }

  async #open(): Promise<void> {
    const begun = performance.now();
    for (let attempt = 0;; attempt++) {
      if (this.#isClosed) {
        throw new ConnectionClosed(`Cannot open ${this.path}: it is closed`, { delivery: "none" });
      }
      try {
        this.#openNow();
        return this.#logReopened();
      } catch (error) {
        const isOver = performance.now() - begun >= this.lockTimeout;
        if (faultOf(error) !== "busy" || isOver) {
          this.#unavailableSince ??= performance.now();
          throw this.translate(asFailure(error, this.path));
        }
      }
      await shortPause(attempt);
    }
  }

  #logReopened(): void {
    if (this.#unavailableSince === undefined) return;
    const duration = Math.round(performance.now() - this.#unavailableSince);
    this.#unavailableSince = undefined;
    log.warn("Reopened {path} after {seconds} s", {
      path: this.path,
      seconds: (duration / 1_000).toFixed(1),
      duration,
    });
  }

  #openNow(): void {
    const { database } = this.address;
    let file: string | undefined;
    if (database !== undefined) {
      migrate(database, this.address.path);
      this.#database = database;
      file = fileOf(database);
    } else {
      const opened = openFile(this.address, this.#wasOpen);
      this.#file = opened;
      this.#database = opened.database;
      file = opened.path === IN_MEMORY ? undefined : opened.path;
    }
    this.#wasOpen = true;
    this.epoch += 1;
    this.#checkedAt = performance.now();
    this.notifier.opened(file);
  }

  #dataVersion(): number | undefined {
    if (this.#database === undefined) return undefined;
    try {
      const row = this.statement("pragma data_version").get() as { data_version: number };
      return row.data_version;
    } catch {
      return undefined; // the next use of the database reports the error
    }
  }

  #tick(): void {
    try {
      this.check();
    } catch (error) {
      log.debug("Failed to maintain {path}: {reason}", {
        path: this.path,
        reason: errorMessage(error),
      });
    }
  }

  #lose(file: OpenFile): ConnectionClosed {
    const error = new ConnectionClosed(
      `Cannot go on with ${file.path}: the file was deleted, moved or replaced`,
      { delivery: "none" },
    );
    log.error("Lost {path}: the file was deleted, moved or replaced", { path: file.path });
    this.#unavailableSince ??= performance.now();
    abandoned.push(file.database);
    this.#forget();
    this.#file = undefined;
    for (const listener of [...this.#lossListeners]) listener(error);
    return error;
  }

  #forget(): void {
    this.notifier.closed();
    this.#statements.clear();
    this.#arrayStatements.clear();
    this.#database = undefined;
  }
}

/** Converts an error of the file system to a connection error. */
function asFailure(error: unknown, path: string): unknown {
  const { code, name } = (error ?? {}) as { code?: unknown; name?: unknown };
  const isSystemError = (typeof code === "string" && /^E[A-Z]+$/.test(code)) ||
    name === "NotCapable" || name === "PermissionDenied" || code === "ERR_ACCESS_DENIED";
  if (!isSystemError) return error;
  return new ConnectionFailed(`Cannot open ${path}: ${errorMessage(error)}`, {
    cause: error,
    delivery: "none",
  });
}

async function shortPause(attempt: number): Promise<void> {
  const longest = Math.min(MAX_PAUSE, 2 ** Math.min(attempt, 10));
  await pause(systemClock, 1 + Math.random() * longest);
}
