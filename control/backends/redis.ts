import { RedisConnection } from "../../clients/redis/connection.ts";
import { type RedisAddress, toSource } from "../../clients/redis/address.ts";
import type { RedisReply } from "../../clients/redis/reply.ts";
import type { Script } from "../../clients/redis/script.ts";
import { KeyNotifier } from "../../clients/redis/key_notifier.ts";
import { type Clock, systemClock } from "../../platform/clock.ts";
import {
  checkChanges,
  type CheckedChange,
  type ControlChange,
  type ControlEntry,
  type ControlJson,
  type ControlListener,
  type ControlOutcome,
  type ControlSnapshot,
  ControlStore,
} from "../../core/control_store.ts";
import { assertKnownOptions, type KnownOptions } from "../../core/known_options.ts";
import { Watchers } from "../watchers.ts";
import { RedisControlWatch } from "./redis_watch.ts";
import { CHANGE, LOOK, READ, READ_KEYS } from "./redis_scripts.ts";

/** Options for {@linkcode RedisControlStore}. */
export interface RedisControlStoreOptions extends RedisAddress {
  /** Prefix of all keys. @default {"dramatiq"} */
  namespace?: string;
  /** The time that timers go by. @default {systemClock} */
  clock?: Clock;
}

/** Connections that a store shares with a broker, which closes them. */
export interface SharedConnections {
  readonly connection: RedisConnection;
  readonly notifier: KeyNotifier;
}

/** Keys beside that of the entries, in the order in which scripts take them. */
const PARTS: readonly string[] = ["workers", "claims", "expiries", "log", "version"];
const KNOWN_OPTIONS: KnownOptions<RedisControlStoreOptions> = {
  url: true,
  client: true,
  connection: true,
  namespace: true,
  clock: true,
};

/**
 * A control store in Redis 6.2 or later, or Valkey: that of `RedisBroker`, and one for
 * `RabbitmqBroker`. Needs the package `ioredis`.
 *
 * Watchers are told by Redis (`CLIENT TRACKING`), within milliseconds; where Redis may not do that,
 * each process looks for changes once a second.
 *
 * @example Control workers on RabbitMQ
 * ```ts ignore
 * import { RabbitmqBroker, RedisControlStore } from "@dq/dramatiq";
 *
 * const control = new RedisControlStore({ url: "redis://127.0.0.1:6379" });
 * const broker = new RabbitmqBroker({ url: "amqp://127.0.0.1", control });
 * ```
 */
export class RedisControlStore extends ControlStore {
  readonly #clock: Clock;
  readonly #connection: RedisConnection;
  readonly #ownNotifier: KeyNotifier | undefined;
  /** @internal The keys of all scripts. */
  readonly keys: readonly string[];
  readonly #watchers: Watchers;
  readonly #watch: RedisControlWatch;
  #isClosed = false;

  /**
   * Stores the options; the first verb connects.
   *
   * @param options Where Redis is, and what keys begin with.
   * @param shared @internal Connections of a broker.
   * @throws {TypeError} If an option cannot be used.
   */
  constructor(options: RedisControlStoreOptions = {}, shared?: SharedConnections) {
    super();
    assertKnownOptions("RedisControlStore", options, KNOWN_OPTIONS);
    const { namespace = "dramatiq", clock = systemClock } = options;
    if (typeof namespace !== "string" || namespace === "") {
      throw new TypeError(
        `Cannot use namespace ${JSON.stringify(namespace)}: it must be a non-empty string`,
      );
    }
    const key = `${namespace}:__control__`;
    this.keys = [key, ...PARTS.map((part) => `${key}.${part}`)];
    this.#clock = clock;
    this.#connection = shared?.connection ?? new RedisConnection(toSource(options, namespace));
    if (shared === undefined) this.#ownNotifier = new KeyNotifier(this.#connection, key);
    const notifier = shared?.notifier ?? this.#ownNotifier!;
    this.#watchers = new Watchers(() => {
      if (this.#watchers.size > 0) this.#watch.start();
      else this.#watch.stop();
    });
    this.#watch = new RedisControlWatch({
      clock,
      notifier,
      pings: shared === undefined,
      versionKey: `${key}.version`,
      look: (seen) => this.#look(seen),
      reset: () => this.#watchers.reset(),
    });
  }

  /** Reads the entries whose keys begin with a prefix, or single ones. */
  async read(selection: string | readonly string[]): Promise<ControlSnapshot> {
    const isPrefix = typeof selection === "string";
    const reply = isPrefix
      ? await this.#runAgain(READ, [selection])
      : await this.#runAgain(READ_KEYS, [...new Set(selection)]);
    const [now, version, ...found] = reply as RedisReply[];
    this.#watch.note(String(version));
    const entries: ControlEntry[] = [];
    for (let i = 0; i < found.length; i += 2) entries.push(toEntry(found[i]!, found[i + 1]!));
    entries.sort((a, b) => a.key < b.key ? -1 : 1);
    return { entries, now: now as number };
  }

  /** Changes entries, all or none. */
  async change(changes: readonly ControlChange[]): Promise<ControlOutcome> {
    const checked = checkChanges(changes);
    const args = toChangeArguments(checked);
    // What does not depend on what is there may be done twice.
    const isRepeatable = checked.every(({ ifVersion }) => ifVersion === undefined);
    const reply = isRepeatable ? await this.#runAgain(CHANGE, args) : await this.#runOnce(args);
    return toOutcome(reply);
  }

  /** Calls back when entries change. */
  watch(prefix: string, listener: ControlListener): Disposable {
    return this.#watchers.add(prefix, listener);
  }

  /** Closes the connections, unless they are those of a broker. */
  close(): Promise<void> {
    if (this.#isClosed) return Promise.resolve();
    this.#isClosed = true;
    this.#watchers.clear();
    if (this.#ownNotifier !== undefined) {
      this.#ownNotifier.close();
      this.#connection.close();
    }
    return Promise.resolve();
  }

  /** @returns The version, or nothing if it cannot be told what has changed since the one seen. */
  async #look(seen: string): Promise<string | undefined> {
    const reply = await this.#connection.run(LOOK, this.keys, [this.#now, seen]);
    if (reply === null) return undefined;
    const [version, ...changed] = reply as RedisReply[];
    for (let i = 0; i < changed.length; i += 2) {
      this.#watchers.changed(toEntry(changed[i]!, changed[i + 1]!, Number(String(version))));
    }
    return String(version);
  }

  #runAgain(script: Script, args: readonly (string | number)[]): Promise<RedisReply> {
    return this.#connection.runWithRetry(script, this.keys, () => [this.#now, ...args]);
  }

  async #runOnce(changes: readonly (string | number)[]): Promise<RedisReply> {
    const args = [this.#now, ...changes];
    try {
      return await this.#connection.run(CHANGE, this.keys, args);
    } catch (error) {
      return await this.#connection.runUnlessRun(error, CHANGE, this.keys, args);
    }
  }

  /** Argument of scripts for the time. */
  get #now(): number | "" {
    return this.#clock.rulesServers ? this.#clock.now() : "";
  }
}

/** Arguments of a script that changes entries. */
export function toChangeArguments(changes: readonly CheckedChange[]): (string | number)[] {
  return changes.flatMap(({ key, text = "", ttl, ifVersion = "", notBefore }) => [
    key,
    text,
    ttl === Infinity ? "" : Math.ceil(ttl),
    ifVersion,
    notBefore === -Infinity ? "" : notBefore,
  ]);
}

/** @param reply What `outcome` of a script that changes entries has made. */
export function toOutcome(reply: RedisReply): ControlOutcome {
  const [applied, now, ...entries] = reply as RedisReply[];
  const found: ControlEntry[] = [];
  for (let i = 0; i < entries.length; i += 2) found.push(toEntry(entries[i]!, entries[i + 1]!));
  return { applied: applied === 1, now: now as number, found };
}

/** @param version That of an entry which is gone. */
function toEntry(key: RedisReply, stored: RedisReply, version = 0): ControlEntry {
  const text = String(stored);
  if (text === "") return { key: String(key), value: null, version };
  const space = text.indexOf(" ");
  const value = JSON.parse(text.slice(space + 1)) as ControlJson;
  return { key: String(key), value, version: Number(text.slice(0, space)) };
}
