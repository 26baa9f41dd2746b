import type { SqliteConnection } from "../../clients/sqlite/connection.ts";
import { expiryTask, toExpiry } from "../../clients/sqlite/expiry.ts";
import {
  acquireBackendConnection,
  type ConnectionHandle,
  type SqliteBackendAddress,
  withAddressOptions,
} from "../../clients/sqlite/handles.ts";
import type { MaintenanceTask } from "../../clients/sqlite/maintenance.ts";
import type { Encoded } from "../../encoders/encoder.ts";
import { RequestRejected } from "../../core/errors.ts";
import { assertKnownOptions, type KnownOptions } from "../../core/known_options.ts";
import { ResultBackend, type ResultBackendOptions } from "../backend.ts";
import type { Stored } from "../batched_reads.ts";

/** Options for {@linkcode SqliteResultBackend}. */
export interface SqliteResultBackendOptions extends ResultBackendOptions, SqliteBackendAddress {}

const OWN_OPTIONS: KnownOptions<Omit<SqliteResultBackendOptions, keyof SqliteBackendAddress>> = {
  namespace: true,
  encoder: "Encoder",
  useNamespacePrefixKeys: "boolean",
  clock: "Clock",
};

const STORE = "insert or replace into dramatiq_results values(?,?,?)";
const DELETE = "delete from dramatiq_results where key=?";
const FETCH = "select key, value from dramatiq_results " +
  "where key in (select value from json_each(?)) and expires>?";
/** Maximum of bytes of a value in SQLite. */
const LONGEST_VALUE = 1_000_000_000;
/** Maximum share of the time for reading results that have waiters. */
const REST_FACTOR = 10;

/**
 * Stores results in an SQLite file: the file of the broker, or another one. Waiters are notified of
 * results that other processes store, too.
 *
 * The root entry exports it as `SqliteResultBackend`.
 *
 * @example Results beside the queue
 * ```ts
 * import { Results, SqliteBroker, SqliteResultBackend } from "@dq/dramatiq";
 *
 * const broker = new SqliteBroker({ path: ":memory:" }); // "tasks.db" for a file
 * const backend = new SqliteResultBackend({ broker });
 * broker.addMiddleware(new Results({ backend }));
 * ```
 */
export class SqliteResultBackend extends ResultBackend {
  readonly #handle: ConnectionHandle;
  readonly #connection: SqliteConnection;
  readonly #purge: MaintenanceTask;
  #timer: ReturnType<typeof setTimeout> | undefined;
  /** Earliest time of the next notification of waiters, by `performance.now()`. */
  #nextTellAt = -Infinity;
  readonly #onChange = (): void => {
    if (this.#timer !== undefined) return;
    const wait = this.#nextTellAt - performance.now();
    if (wait <= 0) return this.#tellNow();
    this.#timer = setTimeout(() => this.#tellNow(), wait);
  };

  /**
   * Stores the options; the first result opens the file.
   *
   * @param options The database, keys, encoder.
   * @throws {TypeError} If an option is of the wrong type.
   */
  constructor(options: SqliteResultBackendOptions) {
    assertKnownOptions("SqliteResultBackend", options, withAddressOptions(OWN_OPTIONS));
    super(options);
    const { namespace: _n, encoder: _e, useNamespacePrefixKeys: _u, clock: _c, ...address } =
      options;
    this.#handle = acquireBackendConnection(address);
    this.#connection = this.#handle.connection;
    this.#purge = expiryTask(this.#connection, "dramatiq_results", this.clock);
    this.#connection.maintain(this.#purge);
  }

  /** Stores pending results, and closes the file. Waiters get an error. */
  override async close(): Promise<void> {
    await super.close();
    this.waitingEnded();
    this.#connection.unmaintain(this.#purge);
    await this.#handle.release();
  }

  /** Reads many keys. */
  protected override async fetch(keys: readonly string[]): Promise<readonly Stored[]> {
    const rows = await this.#connection.read(() => {
      const begun = performance.now();
      const found = this.#connection.statement(FETCH)
        .all(JSON.stringify(keys), Math.trunc(this.clock.now()));
      const ended = performance.now();
      this.#nextTellAt = ended + REST_FACTOR * (ended - begun);
      return found;
    }) as { key: string; value: Encoded }[];
    const values = new Map(rows.map(({ key, value }) => [key, value]));
    return keys.map((key) => values.get(key));
  }

  /** Stores a result, in one transaction with other writes of this turn of the event loop. */
  protected override async store(key: string, data: Encoded, ttl: number): Promise<void> {
    const bytes = data.length * 3 > LONGEST_VALUE && typeof data === "string"
      ? new TextEncoder().encode(data).length
      : data.length;
    if (bytes > LONGEST_VALUE) {
      throw new RequestRejected(
        `Cannot store result ${key}: it has ${bytes} bytes, and SQLite stores ${LONGEST_VALUE} at most`,
      );
    }
    const expires = toExpiry(this.clock, ttl);
    await this.#connection.writer.transact(() => {
      if (ttl > 0) this.#connection.statement(STORE).run(key, data, expires);
      else this.#connection.statement(DELETE).run(key);
    });
    this.#connection.notifier.notify();
  }

  /** Starts to receive notifications of changes. */
  protected override waitingBegan(): void {
    this.#connection.notifier.listen(this.#onChange);
    this.isNotified = true;
  }

  /** Stops receiving notifications. */
  protected override waitingEnded(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#connection.notifier.unlisten(this.#onChange);
    this.isNotified = false;
  }

  #tellNow(): void {
    this.#timer = undefined;
    this.notifyAll();
  }
}
