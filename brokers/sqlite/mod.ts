/**
 * A durable broker in one file, without a server.
 *
 * Any number of processes of one machine share it, and messages can be sent in the transactions of an
 * application.
 *
 * @example A file, or memory
 * ```ts
 * import { SqliteBroker } from "@dq/dramatiq/brokers/sqlite";
 *
 * const broker = new SqliteBroker({ path: "tasks.db" }); // opened when it is first used
 * const forTests = new SqliteBroker({ path: ":memory:" });
 * ```
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
