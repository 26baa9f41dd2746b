import { withDelivery } from "../../core/delivery_state.ts";
import { assertKnownOptions, assertSignal, type KnownOptions } from "../../core/known_options.ts";
import { isClusterSource } from "../../clients/redis/client.ts";
import { RedisConnection } from "../../clients/redis/connection.ts";
import { type RedisAddress, toSource } from "../../clients/redis/address.ts";
import type { RedisArgument, RedisReply } from "../../clients/redis/reply.ts";
import type { Script } from "../../clients/redis/script.ts";
import { clusterSlotTag } from "../../clients/redis/slot_tag.ts";
import { closedFor } from "../../clients/redis/errors.ts";
import { KeyNotifier } from "../../clients/redis/key_notifier.ts";
import { CLAIM_TIME, CONCLUDED, type GroupProgress, RateLimiterBackend } from "../backend.ts";
import { assertAboveZero, assertLeaseTtl } from "../whole_number.ts";
import { EventLists } from "./event_lists.ts";
import { CounterBatcher } from "./redis_counters.ts";
import {
  ADD,
  CONCLUDE,
  COUNT_MEMBER,
  DECR,
  INCR,
  INCR_AND_SUM,
  LEASE,
  NOTIFY,
} from "./redis_scripts.ts";

/** Options for {@linkcode RedisRateLimiterBackend}: where Redis is. */
export type RedisRateLimiterBackendOptions = RedisAddress;

/** Keys here have no namespace, so any cluster works. */
const ANY_NAMESPACE = "{any}";

const KNOWN_OPTIONS: KnownOptions<RedisRateLimiterBackendOptions> = {
  url: true,
  client: true,
  connection: true,
};
/** Names of such options in other libraries, for error texts. */
const OTHER_SPELLINGS = {
  host: "url, or connection.host",
  port: "url, or connection.port",
};

/**
 * Counts in Redis 6.2 or later, or Valkey, with the keys and values of Python's dramatiq: both
 * languages share limits and barriers.
 *
 * Each operation is one script and one round trip; increments and decrements of one turn of the
 * event loop share one, unless Redis is a cluster. It uses one connection, and two more once there are
 * waiters at barriers, however many. While Redis is unavailable, operations wait for up to five
 * seconds; an operation whose reply is lost with the connection is not repeated, because it may
 * have counted.
 *
 * On a cluster, write the key of a window limiter in braces, as in `{some-api}`: its
 * counters must lie on one node.
 *
 * Source: `tests/vectors/rate_limits.json`.
 *
 * @example A mutex that all machines share
 * ```ts
 * import { ConcurrentRateLimiter, RedisRateLimiterBackend } from "@dq/dramatiq";
 *
 * const backend = new RedisRateLimiterBackend({ url: "redis://127.0.0.1:6379/0" });
 * const mutex = new ConcurrentRateLimiter(backend, "rebuild-index");
 * export const rebuild = () =>
 *   mutex.run(async () => {
 *     // no other holder is here
 *   });
 * ```
 */
export class RedisRateLimiterBackend extends RateLimiterBackend {
  readonly #connection: RedisConnection;
  readonly #notifier: KeyNotifier | undefined;
  readonly #eventLists: EventLists;
  /** Only with a single server: the keys of a cluster are on several. */
  readonly #counters: CounterBatcher | undefined;

  /**
   * Stores the address of Redis; the first operation connects.
   *
   * @param options The address.
   * @throws {TypeError} If it cannot be used.
   */
  constructor(options: RedisRateLimiterBackendOptions = {}) {
    assertKnownOptions("RedisRateLimiterBackend", options, KNOWN_OPTIONS, OTHER_SPELLINGS);
    super();
    const source = toSource(options, ANY_NAMESPACE);
    this.#connection = new RedisConnection(source, { isUnref: true });
    // Keys are on all nodes of a cluster, and each node notifies only of its own.
    this.#notifier = isClusterSource(source) ? undefined : new KeyNotifier(this.#connection, "");
    if (!isClusterSource(source)) this.#counters = new CounterBatcher(this.#connection);
    this.#eventLists = new EventLists(this.#connection, this.#notifier);
  }

  /** Sets a counter, unless there is one. */
  override add(key: string, value: number, ttl: number): Promise<boolean> {
    return this.#run(ADD, [key], [value, ttl], ttl, isDone);
  }

  /** Increases a counter, unless it would exceed a maximum. */
  override incr(key: string, amount: number, maximum: number, ttl: number): Promise<boolean> {
    return this.#count(INCR, key, [amount, maximum, ttl], ttl, isDone);
  }

  /** Decreases a counter, unless it would fall below a minimum. */
  override decr(
    key: string,
    amount: number,
    minimum: number,
    ttl: number,
  ): Promise<boolean | undefined> {
    return this.#count(DECR, key, [amount, minimum, ttl], ttl, isDoneIfAny);
  }

  /** Increases a counter, unless it, or the sum of some counters, would exceed a maximum. */
  override incrAndSum(
    key: string,
    keys: readonly string[],
    amount: number,
    maximum: number,
    ttl: number,
  ): Promise<boolean> {
    return this.#run(INCR_AND_SUM, [key, ...keys], [amount, maximum, ttl], ttl, isDone);
  }

  /** Takes, renews or ends a lease. */
  override async lease(key: string, holder: string, limit: number, ttl: number): Promise<boolean> {
    assertLeaseTtl(ttl);
    return isDone(await this.#connection.runWithRetry(LEASE, [key], () => [holder, limit, ttl]));
  }

  /** Waits until {@linkcode RedisRateLimiterBackend.waitNotify} is called for a key, or was called. */
  override async wait(key: string, timeout: number, signal?: AbortSignal): Promise<boolean> {
    assertSignal("wait", signal);
    if (this.#connection.isClosed) throw closedFor("wait");
    return await this.#eventLists.wait(eventsKey(key), timeout, signal);
  }

  /** Wakes all waiters of a key, present and future ones. */
  override async waitNotify(key: string, ttl: number): Promise<boolean> {
    assertAboveZero(ttl, "use ttl");
    await this.#connection.runWithRetry(NOTIFY, [eventsKey(key)], () => [ttl]);
    return true;
  }

  /** Counts a member of a group, once: counting and marking it are one step. */
  override async countMember(group: string, member: string, ttl: number): Promise<GroupProgress> {
    assertAboveZero(ttl, "use ttl");
    const args = [member, ttl, CONCLUDED / 2, CLAIM_TIME];
    const keys = [group, membersKey(group)];
    return String(
      await this.#connection.runWithRetry(COUNT_MEMBER, keys, () => args),
    ) as GroupProgress;
  }

  /** Notes that the callbacks of a group have been sent. */
  override async concludeGroup(group: string, ttl: number): Promise<void> {
    assertAboveZero(ttl, "use ttl");
    const keys = [group, membersKey(group)];
    await this.#connection.runWithRetry(CONCLUDE, keys, () => [CONCLUDED, ttl]);
  }

  /** Closes all connections. Waiters get an error. */
  // deno-lint-ignore require-await -- other backends have something to wait for
  override async close(): Promise<void> {
    this.#connection.close();
    this.#notifier?.close();
    this.#eventLists.close(closedFor("wait"));
  }

  /** As `#run`, in one call with the other operations of this turn. */
  #count<T>(
    script: Script,
    key: string,
    args: readonly RedisArgument[],
    ttl: number,
    parse: (reply: RedisReply) => T,
  ): Promise<T> {
    const connection = this.#connection;
    if (
      this.#counters === undefined || !connection.isUp || !Number.isSafeInteger(ttl) || ttl <= 0
    ) {
      return this.#run(script, [key], args, ttl, parse);
    }
    return this.#counters.count(script, key, args).then(
      parse,
      (error) => connection.runUnlessRun(error, script, [key], args).then(parse),
    );
  }

  /**
   * Runs a script once, when the connection is up: a retry could count twice. Functions that need
   * not be asynchronous are not, which saves a tenth of the cost of an operation.
   */
  #run<T>(
    script: Script,
    keys: readonly string[],
    args: readonly RedisArgument[],
    ttl: number,
    parse: (reply: RedisReply) => T,
  ): Promise<T> {
    try {
      assertAboveZero(ttl, "use ttl");
    } catch (error) {
      return Promise.reject(error);
    }
    const connection = this.#connection;
    const again = (error: unknown) =>
      connection.runUnlessRun(error, script, keys, args).then(parse);
    if (connection.isUp) return connection.run(script, keys, args).then(parse, again);
    return connection.command(script.purpose, "ping").then(
      () => connection.run(script, keys, args).then(parse, again),
      (error) => Promise.reject(withDelivery(error, "none")), // the script was not sent
    );
  }
}

const isDone = (reply: RedisReply) => reply === 1;
const isDoneIfAny = (reply: RedisReply) => reply === null ? undefined : reply === 1;

/** Key at which Python's dramatiq notes that a barrier is cleared. */
function eventsKey(key: string): string {
  return `${key}@events`;
}

/** On a cluster it is on the node of the counter. */
function membersKey(group: string): string {
  return clusterSlotTag(group) === undefined ? `{${group}}@members` : `${group}@members`;
}
