import type { KnownOptions } from "../../core/known_options.ts";
import { redactUrl } from "../redact.ts";
import { builtinModule } from "../../platform/runtime.ts";
import { showValue } from "../../platform/show_value.ts";
import type { DatabaseOpener, SqliteDatabase } from "./database.ts";

/** Failures that a confirmed message survives: the crash of a process, or also the loss of power. */
export type SqliteDurability = "process" | "power";

/** Address and options of a database: exactly one of `path`, `url` and `database` is required. */
export interface SqliteAddress {
  /** The file; `":memory:"` for a database in the memory of this process. */
  path?: string;
  /**
   * `sqlite:tasks.db` relative to the working directory, `sqlite:///var/lib/tasks.db`, or
   * `sqlite::memory:`. `?durability=power` may follow.
   */
  url?: string | URL;
  /**
   * An open connection of the application, of `node:sqlite`, `bun:sqlite`, `better-sqlite3` or
   * `libsql`. Its pragmas are not changed, and it is not closed.
   */
  database?: SqliteDatabase;
  /**
   * `"process"`: a confirmed message survives the crash of any process; after a power failure the
   * file is consistent, but the last commits may be missing. `"power"`: it also survives a power failure,
   * and each commit waits for the disk.
   *
   * @default {"process"}
   */
  durability?: SqliteDurability;
  /** Creates the folder of the file if it is missing. @default {false} */
  createFolder?: boolean;
  /**
   * Allows files on network file systems, whose locks are seldom reliable. Two machines must never use
   * the same file.
   *
   * @default {false}
   */
  allowNetworkFileSystem?: boolean;
  /** Milliseconds to wait for the lock of another program. @default {30_000} */
  lockTimeout?: number;
  /**
   * Shares one connection with the other brokers and backends of this process that use the file.
   *
   * @default {true}
   */
  share?: boolean;
}

/** A checked address, with defaults filled in. */
export interface CheckedAddress {
  /** The absolute path, `:memory:`, or a description of the application's database for errors. */
  readonly path: string;
  readonly database: SqliteDatabase | undefined;
  readonly durability: SqliteDurability;
  readonly createFolder: boolean;
  readonly allowNetworkFileSystem: boolean;
  readonly lockTimeout: number;
  readonly share: boolean;
  /** Opens the file; tests replace it. */
  readonly opener?: DatabaseOpener;
}

/** Names of the options of an address. */
export const ADDRESS_OPTIONS: KnownOptions<SqliteAddress> = {
  path: true,
  url: true,
  database: true,
  durability: true,
  createFolder: "boolean",
  allowNetworkFileSystem: "boolean",
  lockTimeout: true,
  share: "boolean",
};

/** The path of a database in memory. */
export const IN_MEMORY = ":memory:";
const HANDED_IN = "the database that was handed in";
const EXAMPLES = "sqlite:tasks.db, sqlite:///var/lib/tasks.db or sqlite::memory:";

/**
 * Checks an address.
 *
 * @param address The user's options.
 * @returns The options with defaults.
 * @throws {TypeError} If it is incomplete, or contradicts itself.
 * @throws {RangeError} If `lockTimeout` is not 0 or more.
 */
export function checkAddress(address: SqliteAddress): CheckedAddress {
  const { path, url, database } = address;
  const given = Object.entries({ path, url, database }).filter(([, value]) => value !== undefined)
    .map(([name]) => name);
  if (given.length !== 1) {
    const what = given.length === 0 ? "without an address" : `by ${given.join(" and ")}`;
    throw new TypeError(`Cannot open SQLite ${what}: give one of path, url and database`);
  }
  const { lockTimeout = 30_000 } = address;
  if (typeof lockTimeout !== "number" || !(lockTimeout >= 0)) {
    throw new RangeError(`Cannot use lockTimeout ${lockTimeout}: it must be 0 or more`);
  }
  const fromUrl = url === undefined ? {} : parseSqliteUrl(url);
  const durability = address.durability ?? fromUrl.durability ?? "process";
  if (durability !== "process" && durability !== "power") {
    throw new TypeError(
      `Cannot use durability "${String(durability)}": it must be "process" or "power"`,
    );
  }
  return {
    path: database === undefined ? absolute(path ?? fromUrl.path) : HANDED_IN,
    database: database === undefined ? undefined : checkDatabase(database, address),
    durability,
    createFolder: address.createFolder ?? false,
    allowNetworkFileSystem: address.allowNetworkFileSystem ?? false,
    lockTimeout,
    share: address.share ?? true,
  };
}

function checkDatabase(database: SqliteDatabase, address: SqliteAddress): SqliteDatabase {
  if (typeof database?.prepare !== "function" || typeof database.exec !== "function") {
    throw new TypeError(
      "Cannot use the database: it must be an open connection of node:sqlite, bun:sqlite, " +
        "better-sqlite3 or libsql",
    );
  }
  for (const name of ["durability", "createFolder", "allowNetworkFileSystem"] as const) {
    if (address[name] === undefined) continue;
    throw new TypeError(`Cannot use ${name} with database: the application has opened it`);
  }
  return database;
}

function absolute(path: unknown): string {
  if (typeof path !== "string" || path === "" || path.includes("\0")) {
    throw new TypeError(`Cannot open SQLite at path ${showValue(path)}: it must be a file`);
  }
  return path === IN_MEMORY ? path : builtinModule("node:path").resolve(path);
}

/**
 * Parses the URL of a database.
 *
 * @param url `sqlite:tasks.db`, `sqlite:///var/lib/tasks.db`, `sqlite::memory:`.
 * @returns The path, as it was given, and the durability.
 * @throws {TypeError} If it is not valid.
 */
function parseSqliteUrl(
  url: string | URL,
): { path?: string; durability?: SqliteDurability } {
  const parsed = URL.parse(url);
  const refuse = (reason: string) =>
    new TypeError(`Cannot open "${redactUrl(url)}": ${reason}, as in ${EXAMPLES}`);
  if (parsed === null || parsed.protocol !== "sqlite:") {
    throw refuse("it must be a URL that starts with sqlite:");
  }
  if (parsed.host !== "" || parsed.hash !== "") {
    throw refuse("it must have a path only, and no host or fragment");
  }
  const strange = [...parsed.searchParams.keys()].find((name) => name !== "durability");
  if (strange !== undefined) throw refuse(`it has no parameter "${strange}"`);
  const durability = parsed.searchParams.get("durability");
  if (durability !== null && durability !== "process" && durability !== "power") {
    throw refuse('its durability must be "process" or "power"');
  }
  let path: string;
  try {
    path = decodeURIComponent(parsed.pathname).replace(/^\/(?=[A-Za-z]:\/)/, "");
  } catch {
    throw refuse("its path is not correctly encoded");
  }
  if (path === "" || path === "/") throw refuse("it must name a file");
  return { path, ...(durability !== null && { durability: durability as SqliteDurability }) };
}
