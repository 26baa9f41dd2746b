import type { SqliteConnection } from "../../clients/sqlite/connection.ts";
import { toExpiry } from "../../clients/sqlite/expiry.ts";
import type { Clock } from "../../platform/clock.ts";
import { CLAIM_TIME, CONCLUDED, type GroupProgress } from "../backend.ts";

const GET = "select value from dramatiq_counters where key=? and expires>?";
const SET = "insert or replace into dramatiq_counters values(?,?,?)";
const SUM = "select coalesce(sum(value),0) sum from dramatiq_counters " +
  "where key in (select value from json_each(?)) and expires>?";
/** Key, member, expiry, now. It changes nothing if the member exists and has not expired. */
const ADD_MEMBER = "insert into dramatiq_members values(?,?,?) on conflict(key,member) " +
  "do update set expires=excluded.expires where expires<=?";
const FORGET_MEMBERS = "delete from dramatiq_members where key=? and expires<=?";
const COUNT_MEMBERS = "select count(*) count, coalesce(sum(member=?),0) own " +
  "from dramatiq_members where key=?";
const SET_MEMBER = "insert or replace into dramatiq_members values(?,?,?)";
const DELETE_MEMBER = "delete from dramatiq_members where key=? and member=?";
const SET_SIGNAL = "insert or replace into dramatiq_signals values(?,?)";
const GET_SIGNALS = "select key from dramatiq_signals " +
  "where key in (select value from json_each(?)) and expires>?";

/** Counters, leases and signals in SQLite. All but `signalsOf` run inside a transaction. */
export class SqliteCounters {
  readonly #connection: SqliteConnection;
  readonly #clock: Clock;

  /**
   * Stores the connection.
   *
   * @param connection The connection.
   * @param clock The time by which counters expire.
   */
  constructor(connection: SqliteConnection, clock: Clock) {
    this.#connection = connection;
    this.#clock = clock;
  }

  get #now(): number {
    return Math.trunc(this.#clock.now());
  }

  /** Reads a counter. */
  get(key: string): number | undefined {
    const row = this.#connection.statement(GET).get(key, this.#now);
    return (row as { value: number } | undefined | null)?.value;
  }

  /** Sets a counter. */
  set(key: string, value: number, ttl: number): void {
    this.#connection.statement(SET).run(key, value, toExpiry(this.#clock, ttl));
  }

  /** Sets a counter, unless there is one. */
  add(key: string, value: number, ttl: number): boolean {
    if (this.get(key) !== undefined) return false;
    this.set(key, value, ttl);
    return true;
  }

  /** Sums counters up. */
  sum(keys: readonly string[]): number {
    const row = this.#connection.statement(SUM).get(JSON.stringify(keys), this.#now);
    return (row as { sum: number }).sum;
  }

  /** Takes, renews or ends a lease, as `RateLimiterBackend.lease`. */
  lease(key: string, holder: string, limit: number, ttl: number): boolean {
    const name = `${key}@leases`;
    this.#connection.statement(FORGET_MEMBERS).run(name, this.#now);
    const { count, own } = this.#connection.statement(COUNT_MEMBERS).get(holder, name) as {
      count: number;
      own: number;
    };
    const mayHold = ttl > 0 && (own > 0 || count < limit);
    if (mayHold) {
      const expires = toExpiry(this.#clock, ttl);
      this.#connection.statement(SET_MEMBER).run(name, holder, expires);
    } else if (ttl === 0) {
      this.#connection.statement(DELETE_MEMBER).run(name, holder);
    }
    return mayHold;
  }

  /** Counts a member of a group, as `RateLimiterBackend.countMember`. */
  countMember(group: string, member: string, ttl: number): GroupProgress {
    const left = this.get(group);
    if (left === undefined) return "missing";
    if (left > CONCLUDED / 2) return "concluded";
    const expires = toExpiry(this.#clock, ttl);
    const { changes } = this.#connection.statement(ADD_MEMBER)
      .run(group, member, expires, this.#now);
    if (Number(changes) > 0) {
      if (left > 1) {
        this.set(group, left - 1, ttl);
        return "waiting";
      }
      this.set(`${group}@complete`, 1, ttl);
    } else if (this.get(`${group}@complete`) === undefined) {
      return "waiting";
    }
    return this.add(`${group}@claim`, 1, CLAIM_TIME) ? "complete" : "claimed";
  }

  /** Notes that a barrier is cleared. */
  signal(key: string, ttl: number): void {
    this.#connection.statement(SET_SIGNAL).run(key, toExpiry(this.#clock, ttl));
  }

  /** Finds the barriers that are cleared. */
  signalsOf(keys: readonly string[]): string[] {
    const rows = this.#connection.statement(GET_SIGNALS).all(JSON.stringify(keys), this.#now);
    return (rows as { key: string }[]).map(({ key }) => key);
  }
}
