import type { Buffer } from "node:buffer";
import { isClusterSource, type RedisSource } from "../../clients/redis/client.ts";
import { RedisConnection } from "../../clients/redis/connection.ts";
import { type RedisAddress, toSource } from "../../clients/redis/address.ts";
import { Batcher } from "../../clients/redis/batcher.ts";
import { toArgument } from "../../clients/redis/reply.ts";
import { isTransient } from "../../clients/redis/errors.ts";
import type { Encoded } from "../../encoders/encoder.ts";
import { ResultError } from "../../core/result_errors.ts";
import { assertKnownOptions, type KnownOptions } from "../../core/known_options.ts";
import { ResultBackend, type ResultBackendOptions } from "../backend.ts";
import type { Stored } from "../batched_reads.ts";
import { READ, STORE } from "./redis_scripts.ts";
import { KeyTracking } from "../../clients/redis/key_tracking.ts";

/** Options for {@linkcode RedisResultBackend}. */
export interface RedisResultBackendOptions extends ResultBackendOptions, RedisAddress {}

/** Number of arguments of {@linkcode STORE} for each result. */
const STORE_WIDTH = 3;

const KNOWN_OPTIONS: KnownOptions<RedisResultBackendOptions> = {
  namespace: true,
  encoder: "Encoder",
  useNamespacePrefixKeys: "boolean",
  clock: "Clock",
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
 * Stores results in Redis, shared with Python's dramatiq. Requires Redis 6.2 or later and the
 * package `ioredis`.
 *
 * A process that stores or gets results has one connection. A process that waits for results has a
 * second one, on which Redis notifies it of changes (`CLIENT TRACKING`), however many waiters there
 * are; on a Cluster it has a third one for reading. If Redis does not allow that, keys are polled.
 *
 * Results that are stored or requested in one turn of the event loop are sent in one batch.
 *
 * The root entry exports it as `RedisResultBackend`.
 *
 * Source: `redis_values`, `redis_steps` in `tests/vectors/results.json`.
 *
 * @example Share results with Python
 * ```ts
 * import { RedisResultBackend, Results, StubBroker } from "@dq/dramatiq";
 *
 * const broker = new StubBroker();
 * const backend = new RedisResultBackend({ url: "redis://127.0.0.1:6379" });
 * broker.addMiddleware(new Results({ backend }));
 * ```
 */
export class RedisResultBackend extends ResultBackend {
  readonly #connection: RedisConnection;
  readonly #tracking: KeyTracking;
  readonly #stores: Batcher = new Batcher((args) => this.#storeMany(args));

  /**
   * Stores the options; the first result connects.
   *
   * @param options Address of the server, keys, encoder.
   * @throws {TypeError} If an option is of the wrong type.
   */
  constructor(options: RedisResultBackendOptions = {}) {
    assertKnownOptions("RedisResultBackend", options, KNOWN_OPTIONS, OTHER_SPELLINGS);
    super(options);
    const source = toSource(options, this.namespace);
    this.#assertOneSlot(source);
    this.#connection = new RedisConnection(source, { isUnref: true });
    this.#tracking = new KeyTracking(this.#connection, {
      notify: (keys) => this.notify(keys),
      notifyAll: () => this.notifyAll(),
      setNotified: (isNotified) => this.isNotified = isNotified,
    }, isClusterSource(source) ? `${this.namespace}:` : undefined);
  }

  /** Stores pending results, and closes all connections. Waiters get an error. */
  override async close(): Promise<void> {
    await super.close();
    await this.#stores.emptied();
    this.#tracking.close();
    this.#connection.close();
  }

  /** Reads many keys. */
  protected override async fetch(keys: readonly string[]): Promise<readonly Stored[]> {
    const replies = await this.#tracking.read(READ, keys);
    return (replies as readonly (Buffer | null | readonly [Buffer])[]).map((reply, i) => {
      if (reply === null) return undefined;
      if (!Array.isArray(reply)) return reply as Buffer;
      return new ResultError(`Cannot read key "${keys[i]}": Redis answers: ${reply[0]}`);
    });
  }

  /** Stores data under a key. */
  protected override store(key: string, data: Encoded, ttl: number): Promise<void> {
    return this.#stores.add([key, data, String(Math.max(0, Math.ceil(ttl)))]);
  }

  /** Starts to receive notifications of changes. */
  protected override waitingBegan(): void {
    this.#tracking.start();
  }

  /** Stops pinging the connection for notifications, which stays open. */
  protected override waitingEnded(): void {
    this.#tracking.rest();
  }

  /** True if Redis is unavailable, and has not refused. */
  protected override isTransient(error: unknown): boolean {
    return isTransient(error);
  }

  async #storeMany(args: readonly Encoded[]): Promise<void> {
    const keys: string[] = [];
    const values: (string | Buffer)[] = [];
    for (let i = 0; i < args.length; i += STORE_WIDTH) {
      keys.push(args[i] as string);
      values.push(toArgument(args[i + 1]!), args[i + 2] as string);
    }
    // To store a result twice does no harm.
    await this.#connection.runWithRetry(STORE, keys, () => values);
  }

  #assertOneSlot(source: RedisSource): void {
    if (!isClusterSource(source) || this.useNamespacePrefixKeys) return;
    throw new TypeError(
      "Cannot keep results on a cluster: hashed keys are spread over its nodes; set " +
        "useNamespacePrefixKeys",
    );
  }
}
