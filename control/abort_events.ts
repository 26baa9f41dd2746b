import { isClusterSource } from "../clients/redis/client.ts";
import { RedisConnection } from "../clients/redis/connection.ts";
import { type RedisAddress, toSource } from "../clients/redis/address.ts";
import { Script } from "../clients/redis/script.ts";
import type { Broker } from "../core/broker.ts";
import { controlStoreOf } from "../core/cancellation.ts";
import { ID_PREFIX, toCancellation } from "../core/stored_cancellation.ts";
import { type ControlEntry, type ControlStore, readEntry } from "../core/control_store.ts";
import { assertKnownOptions, type KnownOptions } from "../core/known_options.ts";
import { getLogger } from "../platform/logging.ts";
import { errorMessage } from "../platform/thrown.ts";
import { stringify } from "../platform/json_values.ts";
import { showValue } from "../platform/show_value.ts";
import { PrefixWatch } from "./prefix_watch.ts";
import { ControlView } from "./view.ts";

const log = /* @__PURE__ */ getLogger("control", "AbortEvents");

/** Options for {@linkcode AbortEvents}. */
export interface AbortEventsOptions extends RedisAddress {
  /** Key prefix of dramatiq-abort. @default {"dramatiq:aborts:"} */
  prefix?: string;
  /** Milliseconds after which its workers forget an event. @default {604_800_000} Seven days. */
  ttl?: number;
}

const KNOWN_OPTIONS: KnownOptions<AbortEventsOptions> = {
  url: true,
  client: true,
  connection: true,
  prefix: true,
  ttl: true,
};

/** Marks cancellations that came from dramatiq-abort: they are not written back to it. */
const ORIGIN = "dramatiq-abort";
/** Milliseconds for which events, and the cancellations made from them, are kept. */
const TTL = 7 * 86_400_000;
/** Milliseconds that an actor gets in addition to the timeout of an event. */
const EXTRA_GRACE = 1_000;

/**
 * Writes the two events of a message, unless they exist.
 *
 * KEYS: its `cancel:` key, its `abort:` key. ARGV: their values, milliseconds to live.
 */
const WRITE = /* @__PURE__ */ new Script(
  "write abort events",
  `
for i = 1, 2 do
  if redis.call('EXISTS', KEYS[i]) == 0 then
    redis.call('RPUSH', KEYS[i], ARGV[i])
    redis.call('PEXPIRE', KEYS[i], ARGV[3])
  end
end
`,
);

/**
 * Exchanges cancellations of single messages with workers in Python that use the package
 * dramatiq-abort with its Redis backend:
 *
 * - A message that is cancelled here by id is skipped, or aborted, by those workers.
 * - A message that is aborted there is cancelled here, also while it runs. With mode `cancel` it is
 *   cancelled here unless it runs.
 *
 * Run one in a long-running process; several do no harm. `cancelAll` is not shared: dramatiq-abort
 * has no equivalent.
 *
 * @example Beside a worker
 * ```ts
 * import { AbortEvents, RedisBroker } from "@dq/dramatiq";
 *
 * const url = "redis://127.0.0.1:6379";
 * const events = new AbortEvents(new RedisBroker({ url }), { url });
 * export const start = () => events.start(); // and events[Symbol.asyncDispose]() at the end
 * ```
 */
export class AbortEvents implements AsyncDisposable {
  readonly #store: ControlStore;
  readonly #prefix: string;
  readonly #ttl: number;
  readonly #connection: RedisConnection;
  readonly #watch: PrefixWatch;
  readonly #view: ControlView;
  #isClosed = false;

  /**
   * Stores the options; `start` connects.
   *
   * @param broker The broker whose messages are cancelled. It needs a control store.
   * @param options The Redis of dramatiq-abort.
   * @throws {TypeError} If an option cannot be used, or the broker has no control store.
   * @throws {RangeError} If `ttl` is not above 0.
   */
  constructor(broker: Broker, options: AbortEventsOptions = {}) {
    assertKnownOptions("AbortEvents", options, KNOWN_OPTIONS);
    this.#store = controlStoreOf(broker, "share abort events");
    const { prefix = "dramatiq:aborts:", ttl = TTL } = options;
    if (typeof prefix !== "string" || prefix === "") {
      throw new TypeError(`Cannot use prefix ${showValue(prefix)}: it must be a string`);
    }
    if (!(ttl > 0)) {
      throw new RangeError(`Cannot keep abort events for ${ttl} ms: it must be above 0`);
    }
    const source = toSource(options, prefix);
    if (isClusterSource(source)) {
      throw new TypeError(
        "Cannot share abort events on a cluster: dramatiq-abort does not support them",
      );
    }
    this.#prefix = prefix;
    this.#ttl = Math.ceil(ttl);
    this.#connection = new RedisConnection(source);
    this.#watch = new PrefixWatch(this.#connection, prefix, (key) => void this.#readEvent(key));
    this.#view = new ControlView({
      store: this.#store,
      clock: broker.clock,
      prefixes: [ID_PREFIX],
      changed: (entry) => void this.#writeEvents(entry),
    });
  }

  /** Starts. Resolves when it listens to both Redis and the control store. */
  async start(): Promise<void> {
    this.#view.start();
    await Promise.all([this.#view.ready, this.#watch.start()]);
  }

  /** Stops, and closes the connections. */
  close(): Promise<void> {
    if (!this.#isClosed) {
      this.#isClosed = true;
      this.#view.stop();
      this.#watch.close();
      this.#connection.close();
    }
    return Promise.resolve();
  }

  /** Calls `close`. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  /** Announces a cancellation to workers in Python. */
  async #writeEvents(entry: ControlEntry): Promise<void> {
    const cancellation = toCancellation(entry);
    if (cancellation?.messageId === undefined || originOf(entry) === ORIGIN) return;
    const { messageId, grace } = cancellation;
    const keys = [`${this.#prefix}cancel:${messageId}`, `${this.#prefix}abort:${messageId}`];
    const abort = stringify({ abort_timeout: Math.max(0, grace - EXTRA_GRACE) });
    try {
      await this.#connection.runWithRetry(WRITE, keys, () => ["{}", abort, this.#ttl]);
    } catch (error) {
      this.#failed("tell workers in Python that {messageId} is cancelled", messageId, error);
    }
  }

  /** Cancels the message of an event. `key` existed already, or has changed. */
  async #readEvent(key: string): Promise<void> {
    const [, kind, messageId] = /^(cancel|abort):(.+)$/s.exec(key.slice(this.#prefix.length)) ?? [];
    if (messageId === undefined) return;
    try {
      // Read only: workers in Python remove it.
      const event = await this.#connection.command("read an abort", "lindex", key, 0);
      if (event !== null) await this.#cancel(messageId, kind === "cancel", String(event));
    } catch (error) {
      this.#failed("cancel {messageId}, which was aborted in Python", messageId, error);
    }
  }

  /** Stores the cancellation. An abort replaces a cancellation of a waiting message only. */
  async #cancel(messageId: string, waitingOnly: boolean, event: string): Promise<void> {
    const key = ID_PREFIX + messageId;
    const value = {
      reason: "aborted by dramatiq-abort",
      grace: timeoutOf(event) + EXTRA_GRACE,
      origin: ORIGIN,
      ...(waitingOnly && { waitingOnly }),
    };
    for (let isDone = false; !isDone;) {
      const known = await readEntry(this.#store, key);
      const isWeaker = (known && toCancellation(known))?.waitingOnly === true;
      if (known !== undefined && (waitingOnly || !isWeaker)) return;
      const change = { key, value, ttl: TTL, ifVersion: known?.version ?? 0 };
      isDone = (await this.#store.change([change])).applied;
    }
  }

  #failed(what: string, messageId: string, error: unknown): void {
    if (this.#isClosed) return;
    log.error(`Cannot ${what}: {reason}`, { messageId, reason: errorMessage(error), error });
  }
}

function originOf({ value }: ControlEntry): unknown {
  if (typeof value !== "object" || value === null) return undefined;
  return (value as Readonly<Record<string, unknown>>)["origin"];
}

/** The timeout in an event; 0 without one. */
function timeoutOf(event: string): number {
  try {
    const { abort_timeout: timeout } = JSON.parse(event) as { abort_timeout?: unknown };
    return typeof timeout === "number" && timeout >= 0 ? timeout : 0;
  } catch {
    return 0; // not a JSON object
  }
}
