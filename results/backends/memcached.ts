import type { Encoded } from "../../encoders/encoder.ts";
import { assertKnownOptions, type KnownOptions } from "../../core/known_options.ts";
import { ResultBackend, type ResultBackendOptions } from "../backend.ts";
import {
  assertKey,
  MemcachedConnection,
  type MemcachedOptions,
} from "../../clients/memcached/connection.ts";
import type { ResultOwner } from "../../core/result_source.ts";

/** Options for {@linkcode MemcachedResultBackend}. */
export interface MemcachedResultBackendOptions extends ResultBackendOptions, MemcachedOptions {}

const KNOWN_OPTIONS: KnownOptions<MemcachedResultBackendOptions> = {
  namespace: true,
  encoder: "Encoder",
  useNamespacePrefixKeys: "boolean",
  clock: "Clock",
  servers: true,
  username: true,
  password: true,
};
/** Names of such options in other libraries, for error texts. */
const OTHER_SPELLINGS = {
  host: "servers",
  pool: "servers",
};

/**
 * Stores results in memcached, shared with Python's dramatiq. Requires the package `memjs`.
 *
 * memcached has no notifications: keys with waiters are polled, at first every 10 ms, later every
 * 250 ms, all keys of a process together. Results that this process stores are seen at once.
 * memcached may evict a result before its time to live is over.
 *
 * The root entry exports it as `MemcachedResultBackend`.
 *
 * Source: `memcached` in `tests/vectors/results.json`.
 *
 * @example Share results with Python
 * ```ts
 * import { MemcachedResultBackend, Results, StubBroker } from "@dq/dramatiq";
 *
 * const broker = new StubBroker();
 * const backend = new MemcachedResultBackend({ servers: "127.0.0.1:11211" });
 * broker.addMiddleware(new Results({ backend }));
 * ```
 */
export class MemcachedResultBackend extends ResultBackend {
  readonly #connection: MemcachedConnection;

  /**
   * Stores the options; the first result connects.
   *
   * @param options Address of the servers, keys, encoder.
   * @throws {TypeError} If an option is of the wrong type.
   */
  constructor(options: MemcachedResultBackendOptions = {}) {
    assertKnownOptions("MemcachedResultBackend", options, KNOWN_OPTIONS, OTHER_SPELLINGS);
    super(options);
    this.#connection = new MemcachedConnection(options);
  }

  /** Closes all connections. Waiters get an error. */
  override async close(): Promise<void> {
    await super.close();
    this.#connection.close();
  }

  /**
   * Builds the key of the result of a message.
   *
   * @param message The message.
   * @returns The key.
   * @throws {RangeError} If it is a plain key of more than 250 bytes, the maximum of memcached.
   */
  override buildMessageKey(message: ResultOwner): string {
    const key = super.buildMessageKey(message);
    assertKey(key);
    return key;
  }

  /** Index of the server of a key. */
  protected override serverOf(key: string): number {
    return this.#connection.serverOf(key);
  }

  /** Reads many keys. */
  protected override async fetch(keys: readonly string[]): Promise<(Encoded | undefined)[]> {
    const items = await this.#connection.getMany(keys);
    return keys.map((key) => items.get(key)?.value);
  }

  /** Stores data under a key. */
  protected override async store(key: string, data: Encoded, ttl: number): Promise<void> {
    if (ttl > 0) await this.#connection.set(key, data, { ttl });
    else await this.#connection.delete(key); // memcached has no expiry at once
  }
}
