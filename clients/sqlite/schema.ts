import { ConnectionFailed } from "../../core/errors.ts";
import type { SqliteDatabase } from "./database.ts";

/** States of a message. */
export const READY = 0;
export const TAKEN = 1;
export const DELAYED = 2;
export const DEAD = 3;

/**
 * Tables and indexes. All names begin with `dramatiq_`, so that they can be in the file of an
 * application. Each state of a message has an index of its own, so that a claim reads no delayed or dead
 * rows. Bodies over {@linkcode LONGEST_ROW_BODY} are in a table of their own, so that a change of state
 * rewrites a short row.
 */
const CREATE = `
create table dramatiq_meta(name text primary key, value any not null) strict, without rowid;
create table dramatiq_queues(id integer primary key, name text not null unique) strict;
create table dramatiq_workers(id integer primary key autoincrement, beat integer not null default 0,
  host text not null, pid integer not null, label text not null, started integer not null) strict;
create table dramatiq_messages(id integer primary key autoincrement, queue integer not null,
  state integer not null, rank integer not null default 0, due integer not null,
  owner integer, deliveries integer not null default 0, message_id text, actor text,
  group_key text, unique_key text, stamp integer not null, body any) strict;
create index dramatiq_ready on dramatiq_messages(queue, rank, due, id) where state=0;
create index dramatiq_taken on dramatiq_messages(owner, queue) where state=1;
create index dramatiq_delayed on dramatiq_messages(queue, due, id) where state=2;
create index dramatiq_dead on dramatiq_messages(queue, id) where state=3;
create index dramatiq_dead_age on dramatiq_messages(due) where state=3;
create table dramatiq_bodies(id integer primary key, body any not null) strict;
create trigger dramatiq_body_gone after delete on dramatiq_messages when old.body is null
  begin delete from dramatiq_bodies where id=old.id; end;
create table dramatiq_results(key text primary key, value any not null, expires integer not null)
  strict;
create index dramatiq_results_expiry on dramatiq_results(expires);
create table dramatiq_counters(key text primary key, value integer not null,
  expires integer not null) strict, without rowid;
create index dramatiq_counters_expiry on dramatiq_counters(expires);
create table dramatiq_members(key text not null, member text not null, expires integer not null,
  primary key(key, member)) strict, without rowid;
create index dramatiq_members_expiry on dramatiq_members(expires);
create table dramatiq_signals(key text primary key, expires integer not null)
  strict, without rowid;
create index dramatiq_signals_expiry on dramatiq_signals(expires);
`;

/** Entries of control stores. The value of a removed one is null, for watchers. */
const CREATE_CONTROL = `
create table dramatiq_control(key text primary key, version integer not null, value text,
  expires integer) strict, without rowid;
create index dramatiq_control_version on dramatiq_control(version);
create index dramatiq_control_expiry on dramatiq_control(expires) where expires is not null;
`;

/**
 * Columns for suspects, messages that were in flight when a worker died: the number of workers that died
 * while the message was marked (null: no suspect), the worker that has marked it, the note of that
 * worker, and the notes of those that died.
 */
const CREATE_SUSPECTS = `
alter table dramatiq_messages add column deaths integer;
alter table dramatiq_messages add column marked_by integer;
alter table dramatiq_messages add column note text;
alter table dramatiq_messages add column notes text;
`;

/** Index of the messages that may have a claim. */
const CREATE_UNIQUE =
  "create index dramatiq_unique on dramatiq_messages(message_id) where unique_key is not null";

/**
 * For inspectors: reports of workers with their times, counts of processed messages by minute and actor,
 * and an index of dead letters by death.
 */
const CREATE_REPORTS = `
alter table dramatiq_workers add column report text;
alter table dramatiq_workers add column reported integer;
create table dramatiq_minutes(minute integer not null, actor text not null, done integer not null,
  failed integer not null, retried integer not null, dead integer not null,
  primary key(minute, actor)) strict, without rowid;
create index dramatiq_dead_due on dramatiq_messages(queue, due, id) where state=3;
`;

/** Migrations from each version of the schema to the next. New ones are appended. */
const MIGRATIONS: readonly ((database: SqliteDatabase) => void)[] = [
  (database) => {
    database.exec(CREATE);
    database.prepare("insert into dramatiq_meta values('file', ?)").run(crypto.randomUUID());
  },
  (database) => database.exec(CREATE_CONTROL),
  (database) => database.exec(CREATE_SUSPECTS),
  (database) => database.exec(CREATE_UNIQUE),
  (database) => database.exec(CREATE_REPORTS),
];

/** The version that this library writes. */
export const SCHEMA: number = MIGRATIONS.length;
/** Minimum version of the schema that a library must know to write to a file of this one. */
const NEEDS = 1;

/** Bodies of more characters or bytes are in a table of their own. */
export const LONGEST_ROW_BODY = 1_000;

const READ_VERSION = "select value from dramatiq_meta where name=?";

/**
 * Migrates a file to the present version of the schema, in one transaction.
 *
 * @param database A connection without an open transaction.
 * @param path The file, for errors.
 * @throws {ConnectionFailed} If a newer library has written it, and this one cannot.
 * @throws The error of SQLite, also if another process has the lock.
 */
export function migrate(database: SqliteDatabase, path: string): void {
  if (versionOf(database, path) >= SCHEMA) return;
  database.prepare("begin immediate").run();
  try {
    const set = (name: string, value: number) =>
      database.prepare("insert or replace into dramatiq_meta values(?, ?)").run(name, value);
    const version = versionOf(database, path); // another process may have been faster
    for (const step of MIGRATIONS.slice(version)) step(database);
    if (version < SCHEMA) {
      set("schema", SCHEMA);
      set("needs", NEEDS);
    }
    database.prepare("commit").run();
  } catch (error) {
    rollBack(database);
    throw error;
  }
}

/** True if a database has the tables of this library, of any version. */
export function hasSchema(database: SqliteDatabase): boolean {
  const table = "select 1 from sqlite_schema where type='table' and name='dramatiq_meta'";
  return Boolean(database.prepare(table).get());
}

function versionOf(database: SqliteDatabase, path: string): number {
  if (!hasSchema(database)) return 0;
  const read = (name: string) =>
    (database.prepare(READ_VERSION).get(name) as { value: number } | undefined)?.value ?? 0;
  const [schema, needs] = [read("schema"), read("needs")];
  if (needs <= SCHEMA) return schema;
  throw new ConnectionFailed(
    `Cannot use ${path}: it was written by a newer @dq/dramatiq (schema ${schema}; this one knows ` +
      `${SCHEMA}); update the library`,
    { delivery: "none" },
  );
}

/**
 * Rolls a transaction back, unless SQLite has done so already.
 *
 * @param database The connection.
 */
export function rollBack(database: SqliteDatabase): void {
  try {
    database.exec("rollback");
  } catch {
    // No transaction is open.
  }
}
