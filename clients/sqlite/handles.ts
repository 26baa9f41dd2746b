import type { KnownOptions } from "../../core/known_options.ts";
import { builtinModule, mayRead } from "../../platform/runtime.ts";
import {
  ADDRESS_OPTIONS,
  checkAddress,
  type CheckedAddress,
  IN_MEMORY,
  type SqliteAddress,
} from "./address.ts";
import { SqliteConnection } from "./connection.ts";
import type { SqliteDatabase } from "./database.ts";

/** One use of a connection that may be shared. */
export interface ConnectionHandle {
  readonly connection: SqliteConnection;
  /** Ends this use. The last one closes the connection. */
  release(): Promise<void>;
}

interface Shared {
  readonly connection: SqliteConnection;
  uses: number;
}

/** Connections of this realm, by durability and file, and by the database of the application. */
const byFile: Map<string, Shared> = new Map();
const byDatabase: WeakMap<SqliteDatabase, Shared> = /* @__PURE__ */ new WeakMap();
/** Connections by broker, for backends that share them. */
const byBroker: WeakMap<object, SqliteConnection> = /* @__PURE__ */ new WeakMap();

/**
 * Acquires the connection to a database, which is shared within this realm.
 *
 * @param address Address of the database.
 * @returns The connection, which opens the file on first use.
 */
export function acquireConnection(address: CheckedAddress): ConnectionHandle {
  const { database } = address;
  if (database !== undefined) {
    return acquire(address, byDatabase.get(database), {
      add: (shared) => void byDatabase.set(database, shared),
      remove: () => void byDatabase.delete(database),
    });
  }
  const isShared = address.share && address.path !== IN_MEMORY;
  const key = isShared ? `${address.durability} ${realPath(address.path)}` : undefined;
  return acquire(address, key === undefined ? undefined : byFile.get(key), {
    add: (shared) => void (key !== undefined && byFile.set(key, shared)),
    remove: () => void (key !== undefined && byFile.delete(key)),
  });
}

interface Registry {
  add(shared: Shared): void;
  remove(): void;
}

function acquire(
  address: CheckedAddress,
  known: Shared | undefined,
  registry: Registry,
): ConnectionHandle {
  const shared = known ?? { connection: new SqliteConnection(address), uses: 0 };
  if (known === undefined) registry.add(shared);
  shared.uses += 1;
  let isReleased = false;
  return {
    connection: shared.connection,
    async release() {
      if (isReleased) return;
      isReleased = true;
      shared.uses -= 1;
      if (shared.uses > 0) return await shared.connection.writer.drained();
      registry.remove();
      await shared.connection.close();
    },
  };
}

/** Adds the names of the address options to those of a backend. */
export function withAddressOptions<T>(own: T): T & KnownOptions<SqliteBackendAddress> {
  return { ...own, broker: true, ...ADDRESS_OPTIONS };
}

/** Address of a backend's database: that of a broker, or one of its own. */
export interface SqliteBackendAddress extends SqliteAddress {
  /** An `SqliteBroker`, whose connection is used: for a database in memory, or of the application. */
  broker?: object;
}

/**
 * Acquires the connection of a broker, or one by its address.
 *
 * @param address The user's options.
 * @returns The connection.
 * @throws {TypeError} If it is incomplete, or contradicts itself.
 */
export function acquireBackendConnection(
  { broker, ...address }: SqliteBackendAddress,
): ConnectionHandle {
  if (broker === undefined) return acquireConnection(checkAddress(address));
  const other = Object.keys(ADDRESS_OPTIONS)
    .find((name) => address[name as keyof SqliteAddress] !== undefined);
  if (other !== undefined) {
    throw new TypeError(`Cannot open SQLite by broker and ${other}: the broker has opened it`);
  }
  const connection = connectionOf(broker);
  return { connection, release: () => connection.writer.drained() };
}

/** Registers the connection of a broker. */
export function setConnectionOf(broker: object, connection: SqliteConnection): void {
  byBroker.set(broker, connection);
}

/**
 * The connection of a broker.
 *
 * @param broker An `SqliteBroker`.
 * @throws {TypeError} If it is not an `SqliteBroker`.
 */
export function connectionOf(broker: object): SqliteConnection {
  const connection = byBroker.get(broker);
  if (connection !== undefined) return connection;
  throw new TypeError("Cannot share the connection of the broker: it must be an SqliteBroker");
}

function realPath(path: string): string {
  if (!mayRead(path)) return path;
  try {
    return builtinModule("node:fs").realpathSync(path);
  } catch {
    return path; // the file does not exist yet
  }
}
