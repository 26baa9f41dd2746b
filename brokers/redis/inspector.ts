import type { Buffer } from "node:buffer";
import { BaseInspector } from "../../core/base_inspector.ts";
import type {
  MessageRef,
  MessageState,
  Overview,
  OverviewOptions,
  QueueOverview,
} from "../../core/inspection.ts";
import type { HistoryMinute, WorkerReport } from "../../core/inspection_reports.ts";
import type { InspectionHost } from "../../core/dead_letters.ts";
import type { Message } from "../../core/message.ts";
import type { CheckedQuery, StoredPage } from "../../core/message_listing.ts";
import {
  canonicalQueueName,
  delayQueueName,
  toCanonicalQueueName,
  whatIsWrongWithQueueName,
} from "../../core/queue_names.ts";
import { decodeReports, silentWorker } from "../../core/report_format.ts";
import { minuteOf } from "../../core/report_source.ts";
import type { StoredEntry } from "../../core/stored_entry.ts";
import { type Clock, pause } from "../../platform/clock.ts";
import { RedisConnection } from "../../clients/redis/connection.ts";
import { pairs, type RedisReply, toArgument } from "../../clients/redis/reply.ts";
import {
  DROP_ANYWHERE,
  DROP_LISTED,
  DROP_SORTED,
  PURGE_BATCH,
  PURGE_STATE,
  REPLACE,
} from "./inspection_change_scripts.ts";
import { OVERVIEW, QUEUES_PER_CALL, WINDOW, WORKERS } from "./inspection_scripts.ts";
import { Keys } from "./keys.ts";
import { nearEachOther, readDelayed, readListed, readSorted, toOverview } from "./message_pages.ts";
import type { CheckedOptions } from "./options.ts";
import { toMinute } from "./report_writer.ts";

/** Maximum of queues in an overview. */
const MAX_OVERVIEW = 1_000;
/** Maximum of `SCAN` commands in a search for queues. */
const SCAN_STEPS = 200;
const SCAN_COUNT = 1_000;
/** Maximum age of a heartbeat, in milliseconds, for a worker without a report to be listed. */
const RECENT = 5_000;
/** Milliseconds between two removals that scan a whole list. */
const REMOVAL_INTERVAL = 200;
const MINUTE = 60_000;

/**
 * Inspector of a `RedisBroker`. Its calls run scripts on a connection of its own; they read a bounded
 * number of messages, and renew no heartbeat.
 */
export class RedisInspector extends BaseInspector {
  readonly #connection: RedisConnection;
  readonly #keys: Keys;
  readonly #clock: Clock;
  readonly #heartbeatTimeout: number;
  /** Cache of the minutes of the history that no longer change. */
  readonly #minutes: Map<number, HistoryMinute> = new Map();
  #removal: Promise<void> = Promise.resolve();

  /**
   * Stores the options; the first call connects.
   *
   * @param host The broker.
   * @param options Options of the broker.
   * @param clock The clock of the broker.
   */
  constructor(
    host: InspectionHost,
    { source, namespace, heartbeatTimeout }: CheckedOptions,
    clock: Clock,
  ) {
    super(host, { "browse:unacknowledged": "Redis keeps no order of them; workers report them" });
    this.#connection = new RedisConnection(source);
    this.#keys = new Keys(namespace, "");
    this.#clock = clock;
    this.#heartbeatTimeout = heartbeatTimeout;
  }

  /** Counts the messages of all queues. */
  protected override async readOverview(
    { signal, queueNames = [], discover = false }: OverviewOptions,
  ): Promise<Overview> {
    signal?.throwIfAborted();
    const named = queueNames.map((name) => toCanonicalQueueName(name, "look at queue"));
    const names = new Set([...this.host.queues, ...named]);
    const found = await this.#readQueueNames();
    if (discover) found.push(...await this.#scanQueueNames());
    for (const name of found) {
      if (names.size > MAX_OVERVIEW) break;
      const canonical = canonicalQueueName(name);
      // Anything can write the set. What is no queue name can be neither sent to nor read from.
      if (whatIsWrongWithQueueName(canonical) === undefined) names.add(canonical);
    }
    const all = [...names].toSorted();
    const queues: QueueOverview[] = [];
    let now = 0;
    for (let i = 0; i < all.length && i < MAX_OVERVIEW; i += QUEUES_PER_CALL) {
      signal?.throwIfAborted();
      const some = all.slice(i, i + QUEUES_PER_CALL);
      const keys = some.flatMap((name) => {
        const { queue, messages, delayed, deadLetters } = this.#keys.of(name);
        return [queue, messages, delayed, deadLetters];
      });
      const [time, ...counts] = await this.#connection.runWithRetry(OVERVIEW, keys, () => []) as [
        number,
        ...RedisReply[][],
      ];
      now = time;
      queues.push(...some.map((name, j) => toOverview(name, counts[j]!)));
    }
    if (all.length === 0) now = await this.#now();
    return { now, queues, isPartial: all.length > MAX_OVERVIEW };
  }

  /** Closes the connection. */
  override async close(): Promise<void> {
    this.#connection.close();
    await this.#removal;
  }

  protected override async read(
    query: CheckedQuery,
    after: string | undefined,
    count: number,
  ): Promise<StoredPage> {
    const source = { connection: this.#connection, keys: this.#keys.of(query.queueName) };
    switch (query.state) {
      case "ready":
        return await readListed(source, query, after, count);
      case "dead":
        return await readSorted(source, query, after, count);
      default: {
        const list = this.#keys.of(delayQueueName(query.queueName)).queue;
        return await readDelayed(source, list, query, after, count);
      }
    }
  }

  protected override async readOne(ref: MessageRef): Promise<StoredEntry | undefined> {
    const [scores, texts] = ref.state === "dead" || ref.state === "delayed"
      ? this.#sortedKeys(ref)
      : [undefined, this.#keys.of(ref.queueName).messages];
    const [data, score] = await Promise.all([
      this.#connection.command("read a message", "hget", texts, ref.key),
      scores && this.#connection.command("read a message", "zscore", scores, ref.key),
    ]) as (Buffer | null | undefined)[];
    if (!data) return undefined;
    const at = score ? Math.floor(Number(score.toString())) : undefined;
    return {
      ref,
      data,
      size: data.length,
      cursor: "",
      ...(at !== undefined && (ref.state === "dead" ? { diedAt: at } : { eta: at })),
    };
  }

  protected override async replace(ref: MessageRef, message: Message): Promise<boolean> {
    const { queue, messages } = this.#keys.of(ref.queueName);
    const [sorted, texts, ...list] = this.#sortedKeys(ref);
    const newId = message.option("redis_message_id") as string | undefined ?? ref.key;
    const reply = await this.#connection.runWithRetry(
      REPLACE,
      [sorted, texts, queue, messages, ...list],
      () => [ref.key, newId, toArgument(message.encode())],
    );
    return reply === 1;
  }

  protected override async removeMany(refs: readonly MessageRef[]): Promise<boolean[]> {
    const removed = new Map<MessageRef, boolean>();
    const ready = refs.filter(({ state }) => state === "ready");
    for (const group of nearEachOther(ready)) await this.#removeListed(group, removed);
    const others = Map.groupBy(
      refs.filter(({ state }) => state !== "ready"),
      ({ queueName, state }) => `${state} ${queueName}`,
    );
    for (const group of others.values()) {
      const reply = await this.#connection.run(
        DROP_SORTED,
        this.#sortedKeys(group[0]!),
        group.map(({ key }) => key),
      ) as number[];
      for (const [i, ref] of group.entries()) removed.set(ref, reply[i] === 1);
    }
    return refs.map((ref) => removed.get(ref) === true);
  }

  protected override async removeAll(
    queueName: string,
    state: MessageState,
    signal: AbortSignal | undefined,
  ): Promise<number> {
    const { queue, messages } = this.#keys.of(queueName);
    if (state === "ready") return await this.#purge("LPOP", [queue, messages], signal);
    const [sorted, texts, list] = this.#sortedKeys({ queueName, state });
    const count = await this.#purge("ZPOPMIN", [sorted, texts], signal);
    if (list === undefined) return count;
    return count + await this.#purge("LPOP", [list, texts], signal);
  }

  protected override async readWorkers(): Promise<WorkerReport[]> {
    const { heartbeats, reports } = this.#keys;
    const now = this.#clock.rulesServers ? this.#clock.now() : "";
    const args = [now, this.#heartbeatTimeout];
    const reply = await this.#connection.runWithRetry(WORKERS, [heartbeats, reports], () => args);
    const [time, stored, alive] = reply as [number, Buffer[], Buffer[]];
    const reportOf = new Map(pairs(stored));
    return pairs(alive).flatMap(([id, score]) => {
      const seenAt = Math.floor(Number(score));
      const report = reportOf.get(id);
      if (report !== undefined) return decodeReports(report, seenAt);
      return time - seenAt <= RECENT ? [silentWorker(id, seenAt)] : [];
    });
  }

  protected override async readHistory(minutes: number): Promise<HistoryMinute[]> {
    const last = minuteOf(await this.#now());
    const starts = Array.from({ length: minutes }, (_, i) => last - (minutes - 1 - i) * MINUTE);
    for (const at of this.#minutes.keys()) if (at < last - 60 * MINUTE) this.#minutes.delete(at);
    return await Promise.all(starts.map(async (at) => {
      const known = this.#minutes.get(at);
      if (known !== undefined) return known;
      const key = this.#keys.minute(at);
      const fields = await this.#connection.command("read the history", "hgetall", key);
      // The client converts the reply to an object.
      const minute = toMinute(at, Object.entries(fields as unknown as Record<string, Buffer>));
      // A worker whose clock is a little behind may still add to the last minute.
      if (at < last - MINUTE) this.#minutes.set(at, minute);
      return minute;
    }));
  }

  async #now(): Promise<number> {
    if (this.#clock.rulesServers) return this.#clock.now();
    const reply = await this.#connection.command("read the time", "time");
    const [seconds, microseconds] = reply as [Buffer, Buffer];
    return Number(String(seconds)) * 1_000 + Math.floor(Number(String(microseconds)) / 1_000);
  }

  /** Names of the queues that brokers of this library have noted. */
  async #readQueueNames(): Promise<string[]> {
    const { queueNames } = this.#keys;
    const reply = await this.#connection.command("list queues", "smembers", queueNames);
    return (reply as Buffer[]).map(String);
  }

  /** Names of the queues whose messages have keys in Redis, those of Python included. */
  async #scanQueueNames(): Promise<string[]> {
    const { heartbeats, anyMessages } = this.#keys;
    const names: string[] = [];
    let cursor = "0";
    for (let step = 0; step < SCAN_STEPS; step++) {
      const found = await this.#connection.scan(heartbeats, cursor, anyMessages, SCAN_COUNT);
      const [next, keys] = found as [Buffer, Buffer[]];
      for (const key of keys) names.push(this.#keys.queueOfMessages(key.toString()));
      cursor = next.toString();
      if (cursor === "0") break;
    }
    return names;
  }

  /** Keys of the sorted set and the hash that hold a message, and of the delay queue if it is delayed. */
  #sortedKeys(
    { queueName, state }: Pick<MessageRef, "queueName" | "state">,
  ): [sorted: string, texts: string, ...list: string[]] {
    const { etas, delayed, deadLetters, deadMessages } = this.#keys.of(queueName);
    if (state === "dead") return [deadLetters, deadMessages];
    return [etas, delayed, this.#keys.of(delayQueueName(queueName)).queue];
  }

  /** Drops all messages of a list or sorted set, in batches. @returns Their number. */
  async #purge(
    command: "LPOP" | "ZPOPMIN",
    keys: readonly [from: string, texts: string],
    signal: AbortSignal | undefined,
  ): Promise<number> {
    let count = 0;
    while (true) {
      signal?.throwIfAborted();
      const reply = await this.#connection.run(PURGE_STATE, keys, [command, PURGE_BATCH]);
      const [removed, dropped] = reply as [number, number];
      count += dropped;
      if (removed < PURGE_BATCH) return count;
    }
  }

  async #removeListed(
    group: readonly MessageRef[],
    removed: Map<MessageRef, boolean>,
  ): Promise<void> {
    const { queue, messages } = this.#keys.of(group[0]!.queueName);
    const [first, last] = [group[0]!.position ?? 0, group.at(-1)!.position ?? WINDOW];
    const ids = group.map(({ key }) => key);
    const tombstone = `removed ${crypto.randomUUID()}`;
    const args = [first, last, tombstone, ...ids];
    const reply = await this.#connection.run(DROP_LISTED, [queue, messages], args) as number[];
    for (const [i, ref] of group.entries()) {
      removed.set(ref, reply[i] === 2 ? await this.#removeAnywhere(ref) : reply[i] === 1);
    }
  }

  /** Removes a message by a scan of the whole list: one at a time, and no faster than the interval. */
  async #removeAnywhere({ queueName, key }: MessageRef): Promise<boolean> {
    const { queue, messages } = this.#keys.of(queueName);
    const removing = this.#removal.then(() =>
      this.#connection.run(DROP_ANYWHERE, [queue, messages], [key])
    );
    const neverAborts = new AbortController().signal;
    this.#removal = removing.then(() => {}, () => {})
      .then(() => pause(this.#clock, REMOVAL_INTERVAL, neverAborts));
    return await removing === 1;
  }
}
