/**
 * A durable broker in one file, without a server.
 *
 * @module
 */
export type { SqliteAddress, SqliteDurability } from "../../clients/sqlite/address.ts";
export type {
  SqliteChanges,
  SqliteDatabase,
  SqliteStatement,
  SqliteValue,
} from "../../clients/sqlite/database.ts";
export type { SqliteBrokerOptions } from "./options.ts";
export type { SqliteMessageCounts } from "./queue_state.ts";
export type { SqliteInsertStatement, SqliteTransaction } from "./transactions.ts";
export { SqliteBroker } from "./sqlite_broker.ts";
