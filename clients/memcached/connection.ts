import type { Buffer } from "node:buffer";
import type { Encoded } from "../../encoders/encoder.ts";
import { ConnectionFailed, RequestRejected } from "../../core/errors.ts";
import { MemcachedSocket } from "./socket.ts";
import {
  countingExtras,
  countOf,
  type MemcachedReply,
  OPCODES,
  STATUSES,
  storingExtras,
  toExpiry,
} from "./protocol.ts";
import { parseServer, serverIndex } from "./servers.ts";

/** Address of memcached. */
export interface MemcachedOptions {
  /**
   * `host:port`, or `host` for port 11211. With several, each key lives on one of them:
   * the one that libmemcached chooses, and Python with it.
   *
   * @default {"127.0.0.1:11211"}
   */
  servers?: string | readonly string[];
  /** For a server that asks for one (SASL). */
  username?: string;
  /** The password that goes with it. */
  password?: string;
}

/** Options of a store. */
export interface StoringOptions {
  /** Milliseconds after which it is gone, rounded up to seconds. @default {Infinity} */
  ttl?: number;
  /** Flags by which clients tell types; see {@linkcode INTEGER_FLAGS}. @default {0} Bytes. */
  flags?: number;
  /** Another key, on whose server this one lies. @default {the key itself} */
  near?: string;
}

/** Item of a key. */
export interface MemcachedItem {
  readonly value: Buffer;
  readonly flags: number;
  /** Another one for each change ("CAS"), for {@linkcode MemcachedConnection.replace}. */
  readonly version: Buffer;
}

/**
 * Flags by which pylibmc marks integers, which it stores as text.
 *
 * Source: `flags_read_by_pylibmc` in `tests/vectors/results.json`.
 */
export const INTEGER_FLAGS = 4;

/** Length limit of memcached, in bytes. */
const MAX_KEY_LENGTH = 250;
const DEFAULT_SERVER = "127.0.0.1:11211";
/** Status codes of requests that memcached will never carry out. */
const REJECTIONS: ReadonlySet<number> = /* @__PURE__ */ new Set([
  STATUSES.tooLarge,
  STATUSES.invalid,
  STATUSES.unknownCommand,
  STATUSES.notSupported,
]);

/**
 * Connections to one or more memcacheds: one for each, opened when first used, and again
 * after it was lost. The backends of results and rate limits share this class.
 *
 * Nothing is tried twice: what was under way when a connection was lost may have happened.
 * All verbs throw `ConnectionFailed` or `ConnectionClosed` at the latest when the server
 * has been silent for three seconds, and `RequestRejected` for what it will never take.
 */
export class MemcachedConnection {
  readonly #sockets: readonly MemcachedSocket[];

  /**
   * Stores where the servers are; the first request connects.
   *
   * @param options Where the servers are.
   * @throws {TypeError} If that is not an address.
   */
  constructor(options: MemcachedOptions = {}) {
    const { servers = DEFAULT_SERVER, username, password } = options;
    const list = typeof servers === "string" ? [servers] : servers;
    if (list.length === 0) {
      throw new TypeError("Cannot connect to memcached: the list of servers is empty");
    }
    this.#sockets = list.map((server) =>
      new MemcachedSocket({ ...parseServer(server), username, password })
    );
  }

  /**
   * Reads one key.
   *
   * @returns What stands there, `undefined` if nothing does.
   */
  async get(key: string): Promise<MemcachedItem | undefined> {
    return (await this.getMany([key])).get(key);
  }

  /**
   * Reads many keys in one go. Those of one server are read in their order.
   *
   * @param keys The keys.
   * @param near Another key, on whose server all of them lie.
   * @returns What stands under those that there are.
   */
  async getMany(keys: readonly string[], near?: string): Promise<Map<string, MemcachedItem>> {
    keys.forEach(assertKey);
    const shares = near === undefined
      ? this.#share(keys)
      : new Map([[this.#linkOf(near), keys] as const]);
    const replies = await Promise.all(
      Array.from(shares, ([socket, keys]) => socket.getMany(keys)),
    );
    const items = new Map<string, MemcachedItem>();
    for (const reply of replies.flat()) {
      assertDone("get", reply);
      const { key, val: value, extras, header } = reply;
      const flags = extras.readUInt32BE(0);
      items.set(key.toString(), { value, flags, version: header.cas });
    }
    return items;
  }

  /** Stores something, in place of whatever stood there. */
  async set(key: string, value: Encoded, options: StoringOptions = {}): Promise<void> {
    assertDone("set", await this.#store(OPCODES.set, key, value, options));
  }

  /**
   * Stores something where nothing is.
   *
   * @returns Whether nothing was there.
   */
  async add(key: string, value: Encoded, options: StoringOptions = {}): Promise<boolean> {
    return isDoneOr(STATUSES.exists, "add", await this.#store(OPCODES.add, key, value, options));
  }

  /**
   * Stores something in place of what was read, unless that has changed or is gone.
   *
   * @param version That of what was read.
   * @returns Whether it was stored.
   */
  async replace(
    key: string,
    value: Encoded,
    version: Buffer,
    options: StoringOptions = {},
  ): Promise<boolean> {
    return hasReplaced("replace", await this.#store(OPCODES.set, key, value, options, version));
  }

  /**
   * Takes away what was read, unless that has changed or is gone.
   *
   * @param version That of what was read.
   * @param near Another key, on whose server this one lies.
   * @returns Whether it was taken away.
   */
  async deleteVersion(key: string, version: Buffer, near: string): Promise<boolean> {
    assertKey(key);
    const request = { opcode: OPCODES.delete, key, version };
    return hasReplaced("delete", await this.#linkOf(near).ask(request));
  }

  /**
   * Counts a number up.
   *
   * @param amount A whole number of 0 or more.
   * @returns The new number; `undefined` if there was none.
   * @throws {TypeError} If what is there is no number.
   */
  increment(key: string, amount = 1): Promise<number | undefined> {
    return this.#count(OPCODES.increment, "increment", key, amount);
  }

  /**
   * Counts a number down, to 0 at the least.
   *
   * @param amount A whole number of 0 or more.
   * @returns The new number; `undefined` if there was none.
   * @throws {TypeError} If what is there is no number.
   */
  decrement(key: string, amount = 1): Promise<number | undefined> {
    return this.#count(OPCODES.decrement, "decrement", key, amount);
  }

  /**
   * Takes a key away.
   *
   * @returns Whether something was there.
   */
  async delete(key: string): Promise<boolean> {
    const reply = await this.#linkOf(key).ask({ opcode: OPCODES.delete, key });
    return isDoneOr(STATUSES.notFound, "delete", reply);
  }

  /**
   * Which of the servers keeps a key.
   *
   * @returns Its place in the list of servers.
   */
  serverOf(key: string): number {
    return serverIndex(key, this.#sockets.length);
  }

  /** Closes all connections. What is under way fails; nothing can be asked afterwards. */
  close(): void {
    for (const socket of this.#sockets) socket.close();
  }

  #store(
    opcode: number,
    key: string,
    value: Encoded,
    { ttl = Infinity, flags = 0, near = key }: StoringOptions,
    version?: Buffer,
  ): Promise<MemcachedReply> {
    assertKey(key);
    const extras = storingExtras(flags, toExpiry(ttl));
    return this.#linkOf(near).ask({ opcode, key, extras, value, version });
  }

  async #count(
    opcode: number,
    verb: string,
    key: string,
    amount: number,
  ): Promise<number | undefined> {
    const reply = await this.#linkOf(key).ask({ opcode, key, extras: countingExtras(amount) });
    return isDoneOr(STATUSES.notFound, verb, reply) ? countOf(reply) : undefined;
  }

  #linkOf(key: string): MemcachedSocket {
    assertKey(key);
    return this.#sockets[this.serverOf(key)]!;
  }

  /** Keys by server. */
  #share(keys: readonly string[]): Map<MemcachedSocket, readonly string[]> {
    if (this.#sockets.length === 1) return new Map([[this.#sockets[0]!, keys]]);
    return Map.groupBy(keys, (key) => this.#linkOf(key));
  }
}

/**
 * Refuses what cannot be a key.
 *
 * @throws {RangeError} If it is empty, or too long.
 */
export function assertKey(key: string): void {
  const length = new TextEncoder().encode(key).length;
  if (length > 0 && length <= MAX_KEY_LENGTH) return;
  throw new RangeError(
    `Cannot use key "${key}": memcached takes 1 to ${MAX_KEY_LENGTH} bytes, not ${length}`,
  );
}

/** @returns Whether it was done; false if the answer is the one "no" that is expected. */
function isDoneOr(no: number, verb: string, reply: MemcachedReply): boolean {
  if (reply.header.status === no) return false;
  assertDone(verb, reply);
  return true;
}

/** @returns Whether the item still was of the version that was read. */
function hasReplaced(verb: string, reply: MemcachedReply): boolean {
  return reply.header.status !== STATUSES.exists && isDoneOr(STATUSES.notFound, verb, reply);
}

function assertDone(verb: string, { header: { status }, val }: MemcachedReply): void {
  if (status === STATUSES.ok) return;
  const text = `Cannot ${verb}: memcached answers: ${val.toString() || `status ${status}`}`;
  if (status === STATUSES.notNumeric) throw new TypeError(text);
  if (REJECTIONS.has(status)) throw new RequestRejected(text);
  throw new ConnectionFailed(text);
}
