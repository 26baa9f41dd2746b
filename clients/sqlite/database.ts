import { ConnectionFailed } from "../../core/errors.ts";
import { builtinModule } from "../../platform/runtime.ts";

/** A value that SQLite stores. */
export type SqliteValue = string | number | bigint | Uint8Array | null;

/** Result of a statement that writes. */
export interface SqliteChanges {
  /** Number of rows. */
  readonly changes: number | bigint;
  /** The id of the row that was inserted last. */
  readonly lastInsertRowid: number | bigint;
}

/** A prepared statement of `node:sqlite`, `bun:sqlite`, `better-sqlite3` or `libsql`. */
export interface SqliteStatement {
  /** Runs the statement, without rows. */
  run(...parameters: SqliteValue[]): SqliteChanges;
  /** Runs the statement, and returns its first row. */
  get(...parameters: SqliteValue[]): unknown;
  /** Runs the statement, and returns all of its rows. */
  all(...parameters: SqliteValue[]): unknown[];
  /** Makes it return rows as arrays, which are faster than objects: in `node:sqlite`, since Node 22.16. */
  setReturnArrays?(enabled: boolean): void;
}

/**
 * A synchronous connection to an SQLite database, of `node:sqlite`, `bun:sqlite`, `better-sqlite3` or
 * `libsql`. With drizzle it is `db.$client`, with kysely the object passed to its dialect.
 */
export interface SqliteDatabase {
  /** Runs statements without parameters. */
  exec(sql: string): unknown;
  /** Prepares a statement. */
  prepare(sql: string): SqliteStatement;
  /** True if a transaction is open, in `node:sqlite`. */
  readonly isTransaction?: boolean;
  /** True if a transaction is open, in `bun:sqlite`, `better-sqlite3` and `libsql`. */
  readonly inTransaction?: boolean;
}

/** A connection that this library has opened, and closes. */
export interface OwnDatabase extends SqliteDatabase {
  /** Closes it. */
  close(): void;
}

/** Opens a file; tests replace it. */
export type DatabaseOpener = (path: string) => OwnDatabase;

/**
 * Opens a file with the SQLite of the runtime, which is loaded on the first call.
 *
 * @param path The file, or `:memory:`.
 * @returns The connection.
 * @throws {ConnectionFailed} If the runtime has no SQLite.
 * @throws The error of the runtime if the file cannot be opened.
 */
export function openDatabase(path: string): OwnDatabase {
  // Undefined in versions without the module, contrary to its type.
  const sqlite = builtinModule("node:sqlite") as BuiltinSqlite | undefined;
  if (sqlite === undefined) {
    throw new ConnectionFailed(
      `Cannot open ${path}: this version of the runtime has no node:sqlite; use Deno 2.9, Bun 1.4, ` +
        "Node 22.18, or later",
      { delivery: "none" },
    );
  }
  return new sqlite.DatabaseSync(path);
}

/** The part of `node:sqlite` that this library uses. */
interface BuiltinSqlite {
  DatabaseSync: new (path: string) => OwnDatabase;
}

/** True if a connection has an open transaction; `undefined` if that is unknown, or it is closed. */
export function isInTransaction(database: SqliteDatabase): boolean | undefined {
  try {
    return database.isTransaction ?? database.inTransaction;
  } catch {
    return undefined;
  }
}

/** A prepared statement whose rows are arrays: the values of the columns, in order. */
export interface ArrayStatement {
  /** Runs the statement, and returns all of its rows. */
  all(...parameters: SqliteValue[]): unknown[][];
}

/**
 * Prepares a statement whose rows are arrays.
 *
 * @param database An open connection. Without support for arrays, objects are converted.
 * @param sql Its text.
 */
export function prepareForArrays(database: SqliteDatabase, sql: string): ArrayStatement {
  const statement = database.prepare(sql);
  if (typeof statement.setReturnArrays !== "function") {
    return { all: (...parameters) => statement.all(...parameters).map(toValues) };
  }
  statement.setReturnArrays(true);
  return statement as ArrayStatement;
}

function toValues(row: unknown): unknown[] {
  return Object.values(row as object);
}

/**
 * The file of a database.
 *
 * @param database An open connection.
 * @returns Its path; `undefined` if it is in memory.
 */
export function fileOf(database: SqliteDatabase): string | undefined {
  const rows = database.prepare("pragma database_list").all() as { name: string; file?: string }[];
  return rows.find(({ name }) => name === "main")?.file || undefined;
}
