import { DatabaseSync } from "node:sqlite";
import { runtime } from "../../../platform/runtime.ts";
import type { SqliteDatabase } from "@dq/dramatiq/brokers/sqlite";

/** A connection of an application. */
export interface AppDatabase extends SqliteDatabase {
  close(): void;
}

/** Constructors of `better-sqlite3` and `bun:sqlite`. */
export type DatabaseClass = new (path: string) => AppDatabase;

// Not literals: Deno's type checker would look for types, and for a module of Bun.
const BETTER_SQLITE3 = "better-sqlite3";
const BUN_SQLITE = "bun:sqlite";

/** `better-sqlite3`, which brings a copy of SQLite of its own. */
export const BetterSqlite3: DatabaseClass = (await import(BETTER_SQLITE3)).default;

/** Ways in which applications open a file, by the package that they use. */
export const OPENERS: Readonly<Record<string, (path: string) => AppDatabase>> = {
  "node:sqlite": (path) => new DatabaseSync(path),
  "better-sqlite3": (path) => new BetterSqlite3(path),
  ...(runtime === "bun" && await openerOfBun()),
};

/** Programs that use the copy of SQLite that the broker uses, so that both may have a file open. */
export const SAME_COPY: readonly string[] = Object.keys(OPENERS)
  .filter((name) => name !== "better-sqlite3");

async function openerOfBun(): Promise<Record<string, (path: string) => AppDatabase>> {
  const { Database } = await import(BUN_SQLITE) as { Database: DatabaseClass };
  return { "bun:sqlite": (path) => new Database(path) };
}
