import { type Clock, monotonicTime, systemClock } from "../platform/clock.ts";
import { type Encoded, type Encoder, getEncoder } from "../encoders/encoder.ts";
import { BrokerConnectionError, ConnectionClosed } from "../core/errors.ts";
import { checkKnownOptions, type KnownOptions } from "../core/known_options.ts";
import { ResultMissing, ResultTimeout } from "../core/result_errors.ts";
import { checkResultOptions, type GetResultOptions } from "../core/result_source.ts";
import { errorMessage } from "../platform/thrown.ts";
import { unlessAborted } from "../platform/unless_aborted.ts";
import { BatchedReads, type Stored } from "./batched_reads.ts";
import { resultKey } from "./result_key.ts";
import type { ResultOwner, ResultSource } from "../core/result_source.ts";
import {
  assertUnmarked,
  type FailureOptions,
  fromStored,
  toStoredFailure,
} from "./stored_result.ts";
import { ResultWaiters, type Waited } from "./result_waiters.ts";

/** Options that all result backends have. */
export interface ResultBackendOptions {
  /**
   * Prefix of keys, before they are hashed. Programs that share results share it.
   *
   * @default {"dramatiq-results"}
   */
  namespace?: string;
  /** Encoder of results. @default {getEncoder()} The encoder of the process. */
  encoder?: Encoder;
  /**
   * Uses plain keys, `namespace:queue:actor:id`, instead of hashes. All programs that share results must
   * use the same value.
   *
   * @default {false}
   */
  useNamespacePrefixKeys?: boolean;
  /** Clock of timeouts. @default {systemClock} */
  clock?: Clock;
}

const FAILURE_OPTIONS: KnownOptions<FailureOptions> = { ttl: true, withTraceback: "boolean" };

/** Default timeout of `getResult` in milliseconds, as in Python. */
const DEFAULT_TIMEOUT = 10_000;
/** Milliseconds for which a read is repeated while the server is unavailable. */
const RETRY_TIMEOUT = 5_000;
/** Maximum time to live: a longer one is not an exact number of milliseconds. */
export const LONGEST_TTL: number = Number.MAX_SAFE_INTEGER;
/** Characters of an error text that are stored if the server refuses the whole text. */
const SHORT_TEXT = 1_000;
/** Milliseconds between two attempts to read. */
const RETRY_PAUSE = 100;

/**
 * Storage of results: `Results` writes them, `message.getResult` reads them.
 *
 * To write one: extend this class and implement `fetch`, `store` and `close`, then run
 * `tests/conformance/result_backend.ts` on it. Waiting is implemented here: the keys of all waiters
 * are polled together, at growing intervals. A backend that is notified of changes sets
 * `isNotified`.
 *
 * Source of keys and values: `tests/vectors/results.json`.
 */
export abstract class ResultBackend implements ResultSource, AsyncDisposable {
  /** Prefix of keys. */
  readonly namespace: string;
  /** True if keys are plain, and not hashed. */
  readonly useNamespacePrefixKeys: boolean;
  /** Clock of timeouts. */
  protected readonly clock: Clock;
  readonly #encoder: Encoder | undefined;
  readonly #reads: BatchedReads = new BatchedReads(
    (keys) => this.fetch(keys),
    (key) => this.serverOf(key),
  );
  readonly #waiters: ResultWaiters;
  #isClosed = false;

  /**
   * Stores the options.
   *
   * @param options Keys, encoder, clock.
   */
  constructor(options: ResultBackendOptions = {}) {
    const { namespace = "dramatiq-results", useNamespacePrefixKeys = false } = options;
    if (typeof namespace !== "string") {
      throw new TypeError(`Cannot use namespace ${String(namespace)}: it must be a string`);
    }
    this.namespace = namespace;
    this.useNamespacePrefixKeys = useNamespacePrefixKeys;
    this.clock = options.clock ?? systemClock;
    this.#encoder = options.encoder;
    this.#waiters = new ResultWaiters({
      clock: this.clock,
      read: (key) => this.#reads.read(key),
      isTransient: (error) => this.isTransient(error),
      began: () => this.waitingBegan(),
      ended: () => this.waitingEnded(),
    });
  }

  /** Encoder of results. */
  get encoder(): Encoder {
    return this.#encoder ?? getEncoder();
  }

  /**
   * Reads many keys.
   *
   * @param keys The keys.
   * @returns The value of each key, in order: the stored data, `undefined`, or an error if it cannot be
   *   read.
   * @throws {BrokerConnectionError} If the server cannot be reached.
   */
  protected abstract fetch(keys: readonly string[]): Promise<readonly Stored[]>;

  /**
   * Stores data under a key, and replaces existing data.
   *
   * @param key The key.
   * @param data The data.
   * @param ttl Time to live in milliseconds; if it is not above 0, the data expires at once.
   * @throws {BrokerConnectionError} If the server cannot be reached.
   */
  protected abstract store(key: string, data: Encoded, ttl: number): Promise<void>;

  /**
   * Index of the server of a key. Keys of different servers are read in separate calls, so that an
   * unavailable server affects only its own keys.
   */
  protected serverOf(_key: string): number {
    return 0;
  }

  /** Closes all connections. Waiters get an error. */
  // deno-lint-ignore require-await -- asynchronous for those that extend it
  async close(): Promise<void> {
    this.#isClosed = true;
    this.#waiters.close(closed());
  }

  /** Closes the backend. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  /**
   * Builds the key of the result of a message.
   *
   * @param message The message.
   * @returns The key.
   */
  buildMessageKey(message: ResultOwner): string {
    return resultKey(this.namespace, message, this.useNamespacePrefixKeys);
  }

  /**
   * Gets the result of a message.
   *
   * @param message The message.
   * @param options Whether and how long to wait.
   * @returns What its actor returned.
   * @throws {ResultMissing} If there is no result (yet) and `block` is not set.
   * @throws {ResultTimeout} If there is no result after the timeout.
   * @throws {ResultFailure} If the actor failed for good.
   * @throws {DecodeError} If the stored data is not a result of this encoder.
   * @throws {BrokerConnectionError} If the server cannot be reached and `block` is not set.
   * @throws The reason of the signal, if it aborts before.
   */
  async getResult(message: ResultOwner, options: GetResultOptions = {}): Promise<unknown> {
    checkResultOptions(options);
    const { block = false, timeout = DEFAULT_TIMEOUT, signal } = options;
    if (typeof timeout !== "number" || Number.isNaN(timeout)) {
      throw new TypeError(`Cannot wait for ${timeout}: timeout must be a number of milliseconds`);
    }
    signal?.throwIfAborted();
    if (this.#isClosed) throw closed();
    const key = this.buildMessageKey(message);
    const { data, failure } = block && timeout > 0
      ? await this.#waiters.wait(key, { timeout, signal })
      : await this.#readNow(key, signal);
    if (data !== undefined) return fromStored(this.encoder.decode(data), data);
    const what = `Cannot get the result of message ${message.messageId} of ${message.actorName}`;
    if (!block) throw new ResultMissing(`${what}: there is none yet`);
    const reason = failure === undefined ? "" : `: ${errorMessage(failure)}`;
    throw new ResultTimeout(`${what}: it did not arrive within ${timeout} ms${reason}`, {
      cause: failure,
    });
  }

  /**
   * Stores the result of a message.
   *
   * @param message The message.
   * @param result What its actor returned; `undefined` is stored as `null`.
   * @param ttl Time to live in milliseconds.
   * @throws {TypeError} If it cannot be encoded, or looks like a stored failure.
   * @throws {RangeError} If `ttl` is not a number, or too large.
   * @throws {RequestRejected} If the server will always refuse it, because it is too large.
   * @throws {BrokerConnectionError} If the server cannot be reached.
   */
  storeResult(message: ResultOwner, result: unknown, ttl: number): Promise<void> {
    // Neither this nor what it calls is an `async` function: 3 to 10 % of a message with a result.
    try {
      assertUnmarked(result);
      return this.#store(message, result ?? null, ttl);
    } catch (error) {
      return Promise.reject(error);
    }
  }

  /**
   * Stores the final failure of a message. If the server refuses the whole text, it is shortened.
   *
   * @param message The message.
   * @param exception The error of its actor, of which class name and message are stored.
   * @param options The time to live, and whether to store the stack.
   * @throws {TypeError} If an option is not known, or of the wrong type.
   * @throws {BrokerConnectionError} If the server cannot be reached.
   */
  async storeException(
    message: ResultOwner,
    exception: unknown,
    options: FailureOptions,
  ): Promise<void> {
    checkKnownOptions("store a failure", options, FAILURE_OPTIONS);
    const { ttl, withTraceback = false } = options;
    try {
      await this.#store(message, toStoredFailure(exception, { withTraceback }), ttl);
    } catch (error) {
      if (error instanceof BrokerConnectionError) throw error;
      await this.#store(message, toStoredFailure(exception, { maxLength: SHORT_TEXT }), ttl);
    }
  }

  /**
   * True if the backend calls `notify` when a key that was read has changed. While it is false,
   * keys are polled. Setting it makes all waiters read their keys once.
   */
  protected set isNotified(isNotified: boolean) {
    this.#waiters.isNotified = isNotified;
  }

  /** Notifies the waiters of some keys that they may hold a result now. */
  protected notify(keys: Iterable<string>): void {
    this.#waiters.notify(keys);
  }

  /** Notifies all waiters that their keys may hold a result now. */
  protected notifyAll(): void {
    this.#waiters.notifyAll();
  }

  /** Called when the first waiter arrives. */
  protected waitingBegan(): void {}

  /** Called when the last waiter has left. */
  protected waitingEnded(): void {}

  /** True if an error of `fetch` is transient, so that waiters continue to wait. */
  protected isTransient(error: unknown): boolean {
    return error instanceof BrokerConnectionError;
  }

  async #readNow(key: string, signal: AbortSignal | undefined): Promise<Waited> {
    const data = await unlessAborted(this.#readWithRetry(key, signal), signal);
    return { data, failure: undefined };
  }

  /** Reads a key, and again for five seconds while the server is unavailable. */
  async #readWithRetry(
    key: string,
    signal: AbortSignal | undefined,
  ): Promise<Encoded | undefined> {
    const giveUpAt = monotonicTime(this.clock) + RETRY_TIMEOUT;
    for (;;) {
      try {
        return await this.#reads.read(key);
      } catch (error) {
        const isOver = this.#isClosed || signal?.aborted || monotonicTime(this.clock) >= giveUpAt;
        if (isOver || !this.isTransient(error)) throw error;
      }
      await new Promise<void>((resolve) => this.clock.setTimer(resolve, RETRY_PAUSE));
    }
  }

  #store(message: ResultOwner, value: unknown, ttl: number): Promise<void> {
    if (this.#isClosed) throw closed();
    assertTtl(ttl);
    const key = this.buildMessageKey(message);
    const stored = this.store(key, this.encoder.encode(value), ttl);
    // Notifies waiters of this process at once, without the server.
    return stored.then(() => this.#waiters.notify([key]));
  }
}

/**
 * Refuses a time to live that a server would refuse.
 *
 * @throws {RangeError} If it is not a number, or too large.
 */
export function assertTtl(ttl: number): void {
  if (typeof ttl === "number" && ttl <= LONGEST_TTL) return;
  throw new RangeError(`Cannot keep results for ${ttl} ms: it must be ${LONGEST_TTL} at most`);
}

function closed(): ConnectionClosed {
  return new ConnectionClosed("Cannot use the result backend: it is closed");
}
