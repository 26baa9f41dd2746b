import type { SqliteConnection } from "../../clients/sqlite/connection.ts";
import {
  acquireBackendConnection,
  type ConnectionHandle,
  type SqliteBackendAddress,
  withAddressOptions,
} from "../../clients/sqlite/handles.ts";
import type { MaintenanceTask } from "../../clients/sqlite/maintenance.ts";
import {
  checkChanges,
  type CheckedChange,
  type ControlChange,
  type ControlEntry,
  type ControlListener,
  type ControlOutcome,
  type ControlSnapshot,
  ControlStore,
} from "../../core/control_store.ts";
import { ConnectionClosed } from "../../core/errors.ts";
import { assertKnownOptions, type KnownOptions } from "../../core/known_options.ts";
import { type Clock, systemClock } from "../../platform/clock.ts";
import { getLogger } from "../../platform/logging.ts";
import { errorMessage } from "../../platform/thrown.ts";
import { parseStoredValue } from "../stored_value.ts";
import { Watchers } from "../watchers.ts";

const log = /* @__PURE__ */ getLogger("control", "sqlite");

/** Options for {@linkcode SqliteControlStore}. */
export interface SqliteControlStoreOptions extends SqliteBackendAddress {
  /** The clock by which entries expire. @default {systemClock} */
  clock?: Clock;
}

const OWN_OPTIONS: KnownOptions<Omit<SqliteControlStoreOptions, keyof SqliteBackendAddress>> = {
  clock: "Clock",
};

/** Milliseconds between a commit and the poll for changes: most commits are of messages. */
const POLL_DELAY = 50;
/** Number of versions after which a removal is forgotten. */
const REMOVALS_KEPT = 10_000;

// No numbered parameters such as `?2`: the SQLite of Node 22 treats them as named ones.
const READ = "select key, version, value from dramatiq_control " +
  "where value is not null and (expires is null or expires>?) and substr(key,1,length(?))=?";
const READ_KEY = "select key, version, value from dramatiq_control " +
  "where value is not null and (expires is null or expires>?) and key=?";
const READ_VERSION = "select value from dramatiq_meta where name='control'";
const WRITE_VERSION = "insert or replace into dramatiq_meta values('control', ?)";
const FIND = "select key, version, value from dramatiq_control where key=? and value is not null";
const WRITE = "insert or replace into dramatiq_control values(?,?,?,?)";
const FORGET_REMOVALS = "delete from dramatiq_control where value is null and version<=?";
const HAS_EXPIRED = "select 1 from dramatiq_control where expires<=? limit 1";
const EXPIRED = "select key from dramatiq_control where expires<=?";
const CHANGED = "select key, version, value from dramatiq_control where version>? " +
  "and substr(key,1,instr(key,'/')) not in ('worker/','specs/','tick/','run/','begun/','claim/') order by version";

/** A stored entry; the value of a removed one is null. */
interface Row {
  readonly key: string;
  readonly version: number;
  readonly value: string | null;
}

/**
 * A control store in an SQLite file. `SqliteBroker` uses it; it also suits a `RabbitmqBroker` whose
 * processes all run on one machine.
 *
 * Watchers in other processes are notified within a few hundred milliseconds.
 *
 * @example Control workers on RabbitMQ, on one machine
 * ```ts ignore
 * import { RabbitmqBroker, SqliteControlStore } from "@dq/dramatiq";
 *
 * const control = new SqliteControlStore({ path: "control.db" });
 * const broker = new RabbitmqBroker({ url: "amqp://127.0.0.1", control });
 * ```
 */
export class SqliteControlStore extends ControlStore {
  readonly #clock: Clock;
  readonly #handle: ConnectionHandle;
  readonly #connection: SqliteConnection;
  readonly #expiry: MaintenanceTask;
  readonly #watchers: Watchers = new Watchers(() => this.#watchersChanged());
  /** The version that watchers know, and the epoch of the connection in which it was read. */
  #seen: { readonly version: number; readonly epoch: number } | undefined;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #isClosed = false;
  readonly #pollSoon = (): void => {
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined;
      void this.#poll();
    }, POLL_DELAY);
  };

  /**
   * Stores the options; the file is opened at first use.
   *
   * @param options The database, and the clock.
   * @throws {TypeError} If an option is invalid.
   */
  constructor(options: SqliteControlStoreOptions) {
    super();
    assertKnownOptions("SqliteControlStore", options, withAddressOptions(OWN_OPTIONS));
    const { clock = systemClock, ...address } = options;
    this.#clock = clock;
    this.#handle = acquireBackendConnection(address);
    this.#connection = this.#handle.connection;
    this.#expiry = {
      isDue: () => Boolean(this.#connection.statement(HAS_EXPIRED).get(this.#now)),
      run: () => this.#expire(this.#now),
    };
    this.#connection.maintain(this.#expiry);
  }

  /** Reads the entries whose keys begin with a prefix, or have one of several keys. */
  async read(selection: string | readonly string[]): Promise<ControlSnapshot> {
    this.#assertOpen("read");
    const now = this.#now;
    const [rows, version] = await this.#connection.read(() => {
      if (this.#expiry.isDue()) void this.#expireLater();
      return [this.#select(selection, now), this.#version];
    });
    if (this.#watchers.size > 0) this.#seen ??= { version, epoch: this.#connection.epoch };
    const entries = rows.map(toEntry).filter(({ value }) => value !== null)
      .toSorted((a, b) => a.key < b.key ? -1 : 1);
    return { entries, now };
  }

  /** Changes entries, all or none. */
  async change(changes: readonly ControlChange[]): Promise<ControlOutcome> {
    const checked = checkChanges(changes);
    this.#assertOpen("change");
    const outcome = await this.#connection.writer.transact(() => this.#changeNow(checked));
    if (outcome.applied && checked.length > 0) this.#connection.notifier.notify();
    return outcome;
  }

  /** @internal Like `change`; if it is applied, calls `then` in the same transaction. */
  async changeAnd(changes: readonly ControlChange[], then: () => void): Promise<ControlOutcome> {
    const checked = checkChanges(changes);
    this.#assertOpen("change");
    const outcome = await this.#connection.writer.transact(() => {
      const changed = this.#changeNow(checked);
      if (changed.applied) then();
      return changed;
    });
    if (outcome.applied) this.#connection.notifier.notify();
    return outcome;
  }

  /** Calls back when entries change. */
  watch(prefix: string, listener: ControlListener): Disposable {
    return this.#watchers.add(prefix, listener);
  }

  /** Closes the file, unless others use the same connection. */
  async close(): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#watchers.clear();
    this.#connection.unmaintain(this.#expiry);
    await this.#handle.release();
  }

  get #now(): number {
    return Math.trunc(this.#clock.now());
  }

  /** The version of the last change. Must be called in a read or a transaction. */
  get #version(): number {
    const row = this.#connection.statement(READ_VERSION).get() as { value: number } | undefined;
    return row?.value ?? 0;
  }

  /** Rows that have not expired. Must be called in a read. */
  #select(selection: string | readonly string[], now: number): Row[] {
    if (typeof selection === "string") {
      return this.#connection.statement(READ).all(now, selection, selection) as unknown as Row[];
    }
    return [...new Set(selection)].flatMap((key) =>
      this.#connection.statement(READ_KEY).all(now, key) as unknown as Row[]
    );
  }

  #changeNow(changes: readonly CheckedChange[]): ControlOutcome {
    const now = this.#now;
    this.#expire(now);
    const find = (key: string) => this.#connection.statement(FIND).get(key) as Row | undefined;
    const applied = changes.every(({ key, ifVersion, notBefore }) =>
      now >= notBefore && (ifVersion === undefined || (find(key)?.version ?? 0) === ifVersion)
    );
    if (applied) {
      for (const { key, text, ttl } of changes) {
        const expires = ttl === Infinity ? null : Math.min(now + Math.ceil(ttl), 2 ** 53 - 1);
        if (text !== undefined) this.#write(key, text, expires);
        else if (find(key) !== undefined) this.#write(key, null, null);
      }
    }
    const compared = changes.filter(({ ifVersion }) => ifVersion !== undefined);
    const found = compared.map(({ key }) => toEntry(find(key) ?? { key, version: 0, value: null }));
    return { applied, now, found };
  }

  #write(key: string, text: string | null, expires: number | null): void {
    const version = this.#version + 1;
    this.#connection.statement(WRITE_VERSION).run(version);
    this.#connection.statement(WRITE).run(key, version, text, expires);
    this.#connection.statement(FORGET_REMOVALS).run(version - REMOVALS_KEPT);
  }

  #expire(now: number): void {
    if (!this.#connection.statement(HAS_EXPIRED).get(now)) return;
    const expired = this.#connection.statement(EXPIRED).all(now) as unknown as { key: string }[];
    for (const { key } of expired) this.#write(key, null, null);
  }

  async #expireLater(): Promise<void> {
    await this.#connection.writer.transact(() => this.#expire(this.#now)).catch(() => {});
    this.#connection.notifier.notify();
  }

  #watchersChanged(): void {
    const { notifier } = this.#connection;
    if (this.#watchers.size > 0) {
      notifier.listen(this.#pollSoon);
      return this.#pollSoon();
    }
    notifier.unlisten(this.#pollSoon);
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#seen = undefined;
  }

  /** Notifies watchers of changes. Never rejects: the next commit polls again. */
  async #poll(): Promise<void> {
    try {
      await this.#connection.read(() => this.#notifyWatchers());
    } catch (error) {
      if (this.#isClosed) return;
      log.debug("Failed to poll for control entries: {reason}", {
        reason: errorMessage(error),
        error,
      });
    }
  }

  #notifyWatchers(): void {
    if (this.#watchers.size === 0) return;
    const { epoch } = this.#connection;
    const version = this.#version;
    const seen = this.#seen;
    if (seen?.version === version && seen.epoch === epoch) return;
    const isGap = seen === undefined || seen.epoch !== epoch || seen.version > version ||
      seen.version < version - REMOVALS_KEPT;
    // After a gap, watchers read everything again, and that read sets the version.
    this.#seen = isGap ? undefined : { version, epoch };
    if (isGap) return this.#watchers.reset();
    const rows = this.#connection.statement(CHANGED).all(seen.version) as unknown as Row[];
    for (const row of rows) this.#watchers.changed(toEntry(row));
  }

  #assertOpen(what: string): void {
    if (!this.#isClosed) return;
    throw new ConnectionClosed(`Cannot ${what} control entries: the store is closed`, {
      delivery: "none",
    });
  }
}

function toEntry({ key, version, value }: Row): ControlEntry {
  return { key, version, value: value === null ? null : parseStoredValue(value) };
}
