import { getLogger } from "../../platform/logging.ts";
import { retryDelay } from "../../platform/retry_delay.ts";
import { redactError } from "../redact.ts";
import { errorMessage } from "../../platform/thrown.ts";
import type { Client } from "./client.ts";
import type { RedisConnection } from "./connection.ts";

const log = /* @__PURE__ */ getLogger("redis");

/** The channel on which Redis tells what changed. Source: "Client-side caching" in its manual. */
const CHANNEL = "__redis__:invalidate";

/** Replies of servers that cannot track keys, or do not permit it. */
const UNSUPPORTED = /^(ERR unknown|NOPERM)/;

/**
 * Tells when queues have something to fetch, without asking again and again and
 * without taking anything.
 *
 * It uses what Redis has for client-side caching: after one connection has read the
 * length of a queue, Redis tells another one, once, when that queue changes, whoever
 * changes it. So two connections serve all queues.
 *
 * closed ─▶ opening ─▶ tracking ─▶ lost ─▶ opening …
 *
 * While it is not tracking nobody is told; whoever waits looks for himself at every
 * heartbeat. When tracking begins everybody is told once.
 */
export class KeyNotifier {
  readonly #connection: RedisConnection;
  /** A key that lies where all others do. */
  readonly #key: string;
  readonly #waiting: Map<string, Set<() => void>> = new Map();
  #reader: Client | undefined;
  #listener: Client | undefined;
  #isTracking = false;
  #isClosed = false;
  #isUnsupported = false;
  #attempt = 0;
  #opening: Promise<void> | undefined;
  #timer: ReturnType<typeof setTimeout> | undefined;

  /**
   * Stores where the servers are; the first wait connects.
   *
   * @param connection Knows where the servers are.
   * @param key A key that lies where all others do.
   */
  constructor(connection: RedisConnection, key: string) {
    this.#connection = connection;
    this.#key = key;
    connection.onUp(() => this.#notifyAll()); // of what came meanwhile nobody has told
  }

  /** True if Redis tells of changes at present. */
  get isTracking(): boolean {
    return this.#isTracking;
  }

  /**
   * Calls back once when a queue has messages or may have some.
   *
   * @param queue The key of the queue.
   * @param wake What to call.
   */
  subscribe(queue: string, wake: () => void): void {
    this.#subscribe(queue, wake, "llen", (length) => length !== 0);
  }

  /**
   * Calls back once when a key holds, or may hold, another text than the one that was seen.
   *
   * @param key The key of the text.
   * @param seen What it held; empty for nothing.
   * @param wake What to call.
   */
  expectChange(key: string, seen: string, wake: () => void): void {
    this.#subscribe(key, wake, "get", (text) => String(text ?? "") !== seen);
  }

  #subscribe(
    key: string,
    wake: () => void,
    command: "llen" | "get",
    hasChanged: (reply: unknown) => boolean,
  ): void {
    let waiting = this.#waiting.get(key);
    if (waiting === undefined) {
      waiting = new Set();
      this.#waiting.set(key, waiting);
    }
    waiting.add(wake);
    if (!this.#isTracking) return this.#open();
    this.#reader!.callBuffer(command, key).then((reply) => {
      this.#attempt = 0;
      if (hasChanged(reply)) this.#notify(key);
    }, (error) => this.#lost(error));
  }

  /** Takes back what was expected. */
  unsubscribe(queue: string, wake: () => void): void {
    const waiting = this.#waiting.get(queue);
    waiting?.delete(wake);
    if (waiting?.size === 0) this.#waiting.delete(queue);
  }

  /** Asks both connections for an answer, so that a half-open one is found. */
  ping(): void {
    if (!this.#isTracking) return;
    for (const client of [this.#reader!, this.#listener!]) {
      client.callBuffer("ping").catch((error) => this.#lost(error));
    }
  }

  /** Lets go of the connections. Nobody is told any more. */
  close(): void {
    this.#isClosed = true;
    clearTimeout(this.#timer);
    this.#disconnect();
    this.#waiting.clear();
  }

  #open(): void {
    if (this.#opening !== undefined || this.#timer !== undefined) return;
    if (this.#isClosed || this.#isUnsupported) return;
    this.#opening = this.#connect().then(
      () => this.#opening = undefined,
      (error) => {
        this.#opening = undefined;
        this.#lost(error);
      },
    );
  }

  async #connect(): Promise<void> {
    const listener = await this.#openOne();
    this.#listener = listener;
    const reader = await this.#openOne();
    this.#reader = reader;
    const id = await listener.callBuffer("client", "ID") as number;
    await listener.callBuffer("subscribe", CHANNEL);
    await reader.callBuffer("client", "TRACKING", "ON", "REDIRECT", id);
    if (this.#isClosed) return this.#disconnect();
    listener.on("messageBuffer", (_channel, keys) => {
      // No keys: all have changed, as after FLUSHALL.
      if (keys === null) return this.#notifyAll();
      for (const key of keys) this.#notify(textDecoder.decode(key));
    });
    this.#isTracking = true;
    this.#notifyAll();
  }

  async #openOne(): Promise<Client> {
    const client = await this.#connection.openListener(this.#key);
    client.on("error", () => {}); // what fails with it says so
    client.on("end", () => this.#lost(undefined, client));
    return client;
  }

  /** @param client Whose connection was lost; one that is gone already does not count. */
  #lost(error: unknown, client?: Client): void {
    if (this.#isClosed) return;
    if (client !== undefined && client !== this.#reader && client !== this.#listener) return;
    this.#disconnect();
    if (error !== undefined && UNSUPPORTED.test(errorMessage(error))) {
      this.#isUnsupported = true;
      log.warn("Polling Redis for new messages: {reason}", {
        reason: errorMessage(error),
        error: redactError(error),
      });
      return;
    }
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined;
      this.#open();
    }, retryDelay(this.#attempt++));
  }

  #disconnect(): void {
    this.#isTracking = false;
    const clients = [this.#reader, this.#listener];
    this.#reader = this.#listener = undefined;
    for (const client of clients) client?.disconnect();
  }

  #notify(queue: string): void {
    const waiting = this.#waiting.get(queue);
    if (waiting === undefined) return;
    this.#waiting.delete(queue);
    for (const wake of waiting) wake();
  }

  #notifyAll(): void {
    // Whoever is told may expect more at once: that is for the next time.
    for (const queue of [...this.#waiting.keys()]) this.#notify(queue);
  }
}

const textDecoder = /* @__PURE__ */ new TextDecoder();
