import type { Buffer } from "node:buffer";
import type { Encoded } from "../../encoders/encoder.ts";
import { ConnectionFailed, RequestRejected } from "../../core/errors.ts";
import { redactUrl } from "../redact.ts";
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
   * `host:port`, or `host` for port 11211. With several, each key is on one of them, which is chosen as
   * in libmemcached and thus as in Python.
   *
   * @default {"127.0.0.1:11211"}
   */
  servers?: string | readonly string[];
  /** User name, for a server with authentication (SASL). */
  username?: string;
  /** Password of the user. */
  password?: string;
}

/** Options of requests that store a value. */
export interface StoringOptions {
  /** Milliseconds until it expires, rounded up to seconds. @default {Infinity} */
  ttl?: number;
  /** Flags with the type of the value; see {@linkcode INTEGER_FLAGS}. @default {0} Bytes. */
  flags?: number;
  /** Another key, whose server stores this one. @default {the key itself} */
  near?: string;
}

/** A stored value. */
export interface MemcachedItem {
  readonly value: Buffer;
  readonly flags: number;
  /** Changes with each write ("CAS"), for {@linkcode MemcachedConnection.replace}. */
  readonly version: Buffer;
}

/**
 * Flags by which pylibmc marks integers, which it stores as text.
 *
 * Source: `flags_read_by_pylibmc` in `tests/vectors/results.json`.
 */
export const INTEGER_FLAGS = 4;

/** Maximum length of a key, in bytes. */
const MAX_KEY_LENGTH = 250;
const DEFAULT_SERVER = "127.0.0.1:11211";
/** Status codes of requests that memcached rejects for good. */
const REJECTIONS: ReadonlySet<number> = /* @__PURE__ */ new Set([
  STATUSES.tooLarge,
  STATUSES.invalid,
  STATUSES.unknownCommand,
  STATUSES.notSupported,
]);

/**
 * Connections to one or more memcached servers: one for each, opened on first use, and reopened after a
 * loss. The backends of results and rate limits share this class.
 *
 * No request is retried: one that was pending when a connection was lost may have run. All methods throw
 * `ConnectionFailed` or `ConnectionClosed` after three seconds without a reply, and `RequestRejected`
 * for requests that the server rejects.
 */
export class MemcachedConnection {
  readonly #sockets: readonly MemcachedSocket[];

  /**
   * Stores the addresses; the first request connects.
   *
   * @param options Addresses of the servers, and credentials.
   * @throws {TypeError} If an address is not valid, or an option is of the wrong type.
   */
  constructor(options: MemcachedOptions = {}) {
    const { servers = DEFAULT_SERVER, username, password } = options;
    const list = typeof servers === "string" ? [servers] : servers;
    if (!Array.isArray(list)) {
      throw new TypeError(
        `Cannot connect to memcached at "${
          redactUrl(servers)
        }": servers must be a string or a list`,
      );
    }
    for (const [name, value] of Object.entries({ username, password })) {
      if (value === undefined || typeof value === "string") continue;
      // Not the value: it may be the password.
      throw new TypeError(`Cannot connect to memcached: ${name} must be a string`);
    }
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
   * @returns The item; `undefined` if the key does not exist.
   */
  async get(key: string): Promise<MemcachedItem | undefined> {
    return (await this.getMany([key])).get(key);
  }

  /**
   * Reads many keys in one batch per server. Those of one server are read in their order.
   *
   * @param keys The keys.
   * @param near Another key, whose server stores all of them.
   * @returns The items of the keys that exist.
   */
  async getMany(keys: readonly string[], near?: string): Promise<Map<string, MemcachedItem>> {
    keys.forEach(assertKey);
    const shares = near === undefined
      ? this.#share(keys)
      : new Map([[this.#socketOf(near), keys] as const]);
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

  /** Stores a value, whether or not the key exists. */
  async set(key: string, value: Encoded, options: StoringOptions = {}): Promise<void> {
    assertDone("set", await this.#store(OPCODES.set, key, value, options));
  }

  /**
   * Stores a value unless the key exists.
   *
   * @returns True if it was stored.
   */
  async add(key: string, value: Encoded, options: StoringOptions = {}): Promise<boolean> {
    return isDoneOr(STATUSES.exists, "add", await this.#store(OPCODES.add, key, value, options));
  }

  /**
   * Replaces an item, unless that has changed or no longer exists.
   *
   * @param version Version of the item that was read.
   * @returns True if it was replaced.
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
   * Deletes an item, unless that has changed or no longer exists.
   *
   * @param version Version of the item that was read.
   * @param near Another key, whose server stores this one.
   * @returns True if it was deleted.
   */
  async deleteVersion(key: string, version: Buffer, near: string): Promise<boolean> {
    assertKey(key);
    const request = { opcode: OPCODES.delete, key, version };
    return hasReplaced("delete", await this.#socketOf(near).request(request));
  }

  /**
   * Increments a number.
   *
   * @param amount A whole number of 0 or more.
   * @returns The new number; `undefined` if the key does not exist.
   * @throws {TypeError} If the value is not a number.
   */
  increment(key: string, amount = 1): Promise<number | undefined> {
    return this.#count(OPCODES.increment, "increment", key, amount);
  }

  /**
   * Decrements a number, but not below 0.
   *
   * @param amount A whole number of 0 or more.
   * @returns The new number; `undefined` if the key does not exist.
   * @throws {TypeError} If the value is not a number.
   */
  decrement(key: string, amount = 1): Promise<number | undefined> {
    return this.#count(OPCODES.decrement, "decrement", key, amount);
  }

  /**
   * Deletes a key.
   *
   * @returns True if it existed.
   */
  async delete(key: string): Promise<boolean> {
    const reply = await this.#socketOf(key).request({ opcode: OPCODES.delete, key });
    return isDoneOr(STATUSES.notFound, "delete", reply);
  }

  /**
   * Finds the server of a key.
   *
   * @returns Its index in the list of servers.
   */
  serverOf(key: string): number {
    return serverIndex(key, this.#sockets.length);
  }

  /** Closes all connections. Pending requests fail, and so do later ones. */
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
    return this.#socketOf(near).request({ opcode, key, extras, value, version });
  }

  async #count(
    opcode: number,
    verb: string,
    key: string,
    amount: number,
  ): Promise<number | undefined> {
    const reply = await this.#socketOf(key).request({
      opcode,
      key,
      extras: countingExtras(amount),
    });
    return isDoneOr(STATUSES.notFound, verb, reply) ? countOf(reply) : undefined;
  }

  #socketOf(key: string): MemcachedSocket {
    assertKey(key);
    return this.#sockets[this.serverOf(key)]!;
  }

  /** Groups keys by server. */
  #share(keys: readonly string[]): Map<MemcachedSocket, readonly string[]> {
    if (this.#sockets.length === 1) return new Map([[this.#sockets[0]!, keys]]);
    return Map.groupBy(keys, (key) => this.#socketOf(key));
  }
}

/**
 * Checks a key.
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

/** @returns True if the request succeeded, false for the expected status `no`. Throws for any other. */
function isDoneOr(no: number, verb: string, reply: MemcachedReply): boolean {
  if (reply.header.status === no) return false;
  assertDone(verb, reply);
  return true;
}

/** @returns True if the item had the given version. */
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
