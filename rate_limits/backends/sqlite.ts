import type { SqliteConnection } from "../../clients/sqlite/connection.ts";
import { expiryTask } from "../../clients/sqlite/expiry.ts";
import {
  acquireBackendConnection,
  type ConnectionHandle,
  type SqliteBackendAddress,
  withAddressOptions,
} from "../../clients/sqlite/handles.ts";
import type { MaintenanceTask } from "../../clients/sqlite/maintenance.ts";
import { type Clock, systemClock } from "../../platform/clock.ts";
import { ConnectionClosed } from "../../core/errors.ts";
import { assertKnownOptions, assertSignal, type KnownOptions } from "../../core/known_options.ts";
import { CONCLUDED, type GroupProgress, RateLimiterBackend } from "../backend.ts";
import { assertAboveZero, assertLeaseTtl } from "../whole_number.ts";
import { SqliteCounters } from "./sqlite_counters.ts";
import { KeyWaiters } from "../../platform/key_waiters.ts";

/** Options for {@linkcode SqliteRateLimiterBackend}. */
export interface SqliteRateLimiterBackendOptions extends SqliteBackendAddress {
  /** Clock of expiries. @default {systemClock} */
  clock?: Clock;
}

const OWN_OPTIONS: KnownOptions<Omit<SqliteRateLimiterBackendOptions, keyof SqliteBackendAddress>> =
  {
    clock: "Clock",
  };

/**
 * Counts in an SQLite file: that of the broker, or another one. All processes of a machine share
 * its limits and barriers.
 *
 * The root entry exports it as `SqliteRateLimiterBackend`.
 *
 * @example A mutex that all processes share
 * ```ts
 * import { ConcurrentRateLimiter, SqliteRateLimiterBackend } from "@dq/dramatiq";
 *
 * const backend = new SqliteRateLimiterBackend({ path: ":memory:" }); // "tasks.db" for a file
 * const mutex = new ConcurrentRateLimiter(backend, "rebuild-index");
 * await mutex.run(async () => {
 *   // no other holder is here
 * });
 * await backend.close();
 * ```
 */
export class SqliteRateLimiterBackend extends RateLimiterBackend {
  readonly #handle: ConnectionHandle;
  readonly #connection: SqliteConnection;
  readonly #counters: SqliteCounters;
  readonly #waiters: KeyWaiters;
  readonly #purges: readonly MaintenanceTask[];
  #isListening = false;
  #isClosed = false;
  readonly #onChange = (): void => void this.#look();

  /**
   * Stores where the database is; the first verb opens it.
   *
   * @param options Where the database is, and the clock.
   * @throws {TypeError} If they cannot be used.
   */
  constructor(options: SqliteRateLimiterBackendOptions) {
    assertKnownOptions("SqliteRateLimiterBackend", options, withAddressOptions(OWN_OPTIONS));
    super();
    const { clock = systemClock, ...address } = options;
    this.#handle = acquireBackendConnection(address);
    this.#connection = this.#handle.connection;
    this.#counters = new SqliteCounters(this.#connection, clock);
    this.#waiters = new KeyWaiters(clock, () => this.#unlistenIfAlone());
    this.#purges = (["dramatiq_counters", "dramatiq_members", "dramatiq_signals"] as const)
      .map((table) => expiryTask(this.#connection, table, clock));
    for (const purge of this.#purges) this.#connection.maintain(purge);
  }

  /** Sets a counter, unless there is one. */
  override add(key: string, value: number, ttl: number): Promise<boolean> {
    return this.#run(ttl, (counters) => counters.add(key, value, ttl));
  }

  /** Increases a counter, unless it would exceed a maximum. */
  override incr(key: string, amount: number, maximum: number, ttl: number): Promise<boolean> {
    return this.#run(ttl, (counters) => {
      const value = (counters.get(key) ?? 0) + amount;
      if (value > maximum) return false;
      counters.set(key, value, ttl);
      return true;
    });
  }

  /** Decreases a counter, unless it would fall below a minimum. */
  override decr(
    key: string,
    amount: number,
    minimum: number,
    ttl: number,
  ): Promise<boolean | undefined> {
    return this.#run(ttl, (counters) => {
      const current = counters.get(key);
      const value = (current ?? 0) - amount;
      if (value < minimum) return current === undefined ? undefined : false;
      counters.set(key, value, ttl);
      return true;
    });
  }

  /** Increases a counter, unless it, or the sum of some counters, would exceed a maximum. */
  override incrAndSum(
    key: string,
    keys: readonly string[],
    amount: number,
    maximum: number,
    ttl: number,
  ): Promise<boolean> {
    return this.#run(ttl, (counters) => {
      const value = (counters.get(key) ?? 0) + amount;
      if (value > maximum || counters.sum(keys) + amount > maximum) return false;
      counters.set(key, value, ttl);
      return true;
    });
  }

  /** Takes, renews or ends a lease. */
  override async lease(key: string, holder: string, limit: number, ttl: number): Promise<boolean> {
    assertLeaseTtl(ttl);
    return await this.#run(1, (counters) => counters.lease(key, holder, limit, ttl));
  }

  /** Waits until {@linkcode SqliteRateLimiterBackend.waitNotify} is called for a key, or was called. */
  override async wait(key: string, timeout: number, signal?: AbortSignal): Promise<boolean> {
    assertSignal("wait", signal);
    this.#assertOpen("wait");
    signal?.throwIfAborted();
    const waiting = this.#waiters.wait(key, timeout, signal);
    if (!this.#isListening) {
      this.#isListening = true;
      this.#connection.notifier.listen(this.#onChange);
    }
    void this.#look([key]);
    return await waiting;
  }

  /** Wakes all waiters of a key, present and future ones. */
  override async waitNotify(key: string, ttl: number): Promise<boolean> {
    await this.#run(ttl, (counters) => counters.signal(key, ttl));
    this.#connection.notifier.notify();
    return true;
  }

  /** Counts a member of a group, once. */
  override countMember(group: string, member: string, ttl: number): Promise<GroupProgress> {
    return this.#run(ttl, (counters) => counters.countMember(group, member, ttl));
  }

  /** Notes that the callbacks of a group have been sent. */
  override concludeGroup(group: string, ttl: number): Promise<void> {
    return this.#run(ttl, (counters) => counters.set(group, CONCLUDED, ttl));
  }

  /** Closes the file. Waiters get an error. */
  override async close(): Promise<void> {
    this.#isClosed = true;
    this.#waiters.failAll(new ConnectionClosed("Cannot wait: the backend is closed"));
    for (const purge of this.#purges) this.#connection.unmaintain(purge);
    await this.#handle.release();
  }

  /** Each verb is one transaction, with all others of this turn of the event loop. */
  // deno-lint-ignore require-await -- errors reject
  async #run<T>(ttl: number, verb: (counters: SqliteCounters) => T): Promise<T> {
    assertAboveZero(ttl, "use ttl");
    this.#assertOpen("count");
    return this.#connection.writer.transact(() => verb(this.#counters));
  }

  /** Looks which barriers are cleared. */
  async #look(keys = this.#waiters.keys): Promise<void> {
    if (keys.length === 0) return;
    try {
      const cleared = await this.#connection.read(() => this.#counters.signalsOf(keys));
      for (const key of cleared) this.#waiters.wake(key);
    } catch (error) {
      for (const key of keys) this.#waiters.fail(key, error);
    }
  }

  #unlistenIfAlone(): void {
    if (!this.#isListening || this.#waiters.keys.length > 0) return;
    this.#isListening = false;
    this.#connection.notifier.unlisten(this.#onChange);
  }

  #assertOpen(what: string): void {
    if (this.#isClosed) throw new ConnectionClosed(`Cannot ${what}: the backend is closed`);
  }
}
