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
  type ControlListener,
  type ControlOutcome,
  type ControlSnapshot,
  ControlStore,
} from "../../core/control_store.ts";
import { assertKnownOptions, type KnownOptions } from "../../core/known_options.ts";
import { parseStoredValue } from "../stored_value.ts";
import { Watchers } from "../watchers.ts";
import { showValue } from "../../platform/show_value.ts";
import { RedisControlWatch } from "./redis_watch.ts";
import { CHANGE, POLL, READ, READ_KEYS } from "./redis_scripts.ts";

/** Options for {@linkcode RedisControlStore}. */
export interface RedisControlStoreOptions extends RedisAddress {
  /** Prefix of all keys. @default {"dramatiq"} */
  namespace?: string;
  /** The clock of timers. @default {systemClock} */
  clock?: Clock;
}

/** Connections of a broker that a store uses, too. The broker closes them. */
export interface SharedConnections {
  readonly connection: RedisConnection;
  readonly notifier: KeyNotifier;
}

/** Suffixes of the other keys, in the order of the scripts' KEYS. */
const PARTS: readonly string[] = ["workers", "claims", "expiries", "log", "version"];
const KNOWN_OPTIONS: KnownOptions<RedisControlStoreOptions> = {
  url: true,
  client: true,
  connection: true,
  namespace: true,
  clock: "Clock",
};

/**
 * A control store in Redis 6.2 or later, or Valkey. `RedisBroker` uses it; it also suits a
 * `RabbitmqBroker`. Needs the package `ioredis`.
 *
 * Redis notifies watchers (`CLIENT TRACKING`) within milliseconds. Where that is not allowed, each
 * process polls once a second.
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
   * Stores the options; it connects at first use.
   *
   * @param options The address of Redis, and the namespace of the keys.
   * @param shared @internal Connections of a broker.
   * @throws {TypeError} If an option is invalid.
   */
  constructor(options: RedisControlStoreOptions = {}, shared?: SharedConnections) {
    super();
    assertKnownOptions("RedisControlStore", options, KNOWN_OPTIONS);
    const { namespace = "dramatiq", clock = systemClock } = options;
    if (typeof namespace !== "string" || namespace === "") {
      throw new TypeError(
        `Cannot use namespace ${showValue(namespace)}: it must be a non-empty string`,
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
      poll: (seen) => this.#poll(seen),
      reset: () => this.#watchers.reset(),
    });
  }

  /** Reads the entries whose keys begin with a prefix, or have one of several keys. */
  async read(selection: string | readonly string[]): Promise<ControlSnapshot> {
    const isPrefix = typeof selection === "string";
    const reply = isPrefix
      ? await this.#runAgain(READ, [selection])
      : await this.#runAgain(READ_KEYS, [...new Set(selection)]);
    const [now, version, ...found] = reply as RedisReply[];
    this.#watch.note(String(version));
    const entries: ControlEntry[] = [];
    for (let i = 0; i < found.length; i += 2) {
      const entry = toEntry(found[i]!, found[i + 1]!);
      if (entry.value !== null) entries.push(entry);
    }
    entries.sort((a, b) => a.key < b.key ? -1 : 1);
    return { entries, now: now as number };
  }

  /** Changes entries, all or none. */
  async change(changes: readonly ControlChange[]): Promise<ControlOutcome> {
    const checked = checkChanges(changes);
    const args = toChangeArguments(checked);
    // Unconditional changes are idempotent.
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

  /**
   * Notifies watchers of changes since a version.
   *
   * @returns The new version; `undefined` for a gap.
   */
  async #poll(seen: string): Promise<string | undefined> {
    const reply = await this.#connection.run(POLL, this.keys, [this.#now, seen]);
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

  /** The `now` argument of the scripts. */
  get #now(): number | "" {
    return this.#clock.rulesServers ? this.#clock.now() : "";
  }
}

/** Encodes changes as arguments of a script. */
export function toChangeArguments(changes: readonly CheckedChange[]): (string | number)[] {
  return changes.flatMap(({ key, text = "", ttl, ifVersion = "", notBefore }) => [
    key,
    text,
    ttl === Infinity ? "" : Math.ceil(ttl),
    ifVersion,
    notBefore === -Infinity ? "" : notBefore,
  ]);
}

/** @param reply The result of a script that changes entries. */
export function toOutcome(reply: RedisReply): ControlOutcome {
  const [applied, now, ...entries] = reply as RedisReply[];
  const found: ControlEntry[] = [];
  for (let i = 0; i < entries.length; i += 2) found.push(toEntry(entries[i]!, entries[i + 1]!));
  return { applied: applied === 1, now: now as number, found };
}

/** @param version Version of the entry if it was removed: then none is stored with it. */
function toEntry(key: RedisReply, stored: RedisReply, version = 0): ControlEntry {
  const text = String(stored);
  const space = text.indexOf(" ");
  const written = space < 1 ? NaN : Number(text.slice(0, space));
  // An entry that was removed, or that another program has written.
  if (!Number.isSafeInteger(written)) return { key: String(key), value: null, version };
  return { key: String(key), value: parseStoredValue(text.slice(space + 1)), version: written };
}
