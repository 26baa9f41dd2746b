import type { Clock } from "../../platform/clock.ts";
import type { SqliteConnection } from "./connection.ts";
import { type MaintenanceTask, PURGE_BATCH } from "./maintenance.ts";

/** Tables whose rows expire. */
export type ExpiringTable =
  | "dramatiq_results"
  | "dramatiq_counters"
  | "dramatiq_members"
  | "dramatiq_signals";

/** Primary keys of the tables. */
const KEYS: Readonly<Record<ExpiringTable, string>> = {
  dramatiq_results: "key",
  dramatiq_counters: "key",
  dramatiq_members: "key, member",
  dramatiq_signals: "key",
};

/**
 * Converts a TTL to a time of expiry.
 *
 * @param clock The clock.
 * @param ttl Milliseconds from now.
 */
export function toExpiry(clock: Clock, ttl: number): number {
  return Math.min(Math.ceil(clock.now() + ttl), Number.MAX_SAFE_INTEGER);
}

/** Statements that find out whether a table has expired rows, and that delete some. */
export function purgeStatements(table: ExpiringTable): readonly [isDue: string, purge: string] {
  const keys = KEYS[table];
  const expired = `from ${table} where expires<=? limit`;
  return [
    `select 1 ${expired} 1`,
    `delete from ${table} where (${keys}) in (select ${keys} ${expired} ${PURGE_BATCH})`,
  ];
}

/**
 * Makes the maintenance task that deletes expired rows.
 *
 * @param connection The connection.
 * @param table The table.
 * @param clock The clock by which rows expire.
 */
export function expiryTask(
  connection: SqliteConnection,
  table: ExpiringTable,
  clock: Clock,
): MaintenanceTask {
  const [isDue, purge] = purgeStatements(table);
  const now = () => Math.trunc(clock.now());
  return {
    isDue: () => Boolean(connection.statement(isDue).get(now())),
    run: () => void connection.statement(purge).run(now()),
  };
}
