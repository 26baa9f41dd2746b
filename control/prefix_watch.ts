import type { Buffer } from "node:buffer";
import type { Client } from "../clients/redis/client.ts";
import type { RedisConnection } from "../clients/redis/connection.ts";
import { retryDelay } from "../platform/retry_delay.ts";
import { getLogger } from "../platform/logging.ts";
import { redactError } from "../clients/redact.ts";
import { errorMessage } from "../platform/thrown.ts";

const log = /* @__PURE__ */ getLogger("control", "redis");

/** The channel of invalidations. Source: "Client-side caching" in the manual of Redis. */
const CHANNEL = "__redis__:invalidate";
/** Keys that one `SCAN` looks at. */
const SCAN_COUNT = 1_000;
/** Milliseconds between two questions whether both connections live. */
const PING_INTERVAL = 5_000;

/**
 * Hears of all keys with a prefix, those that are there and those that come:
 *
 * closed ─(start)▶ opening ─▶ scanning ─▶ tracking ─▶ lost ─▶ opening …
 *
 * Tracking by prefix needs connections of its own: one client cannot track keys that it has read as
 * well.
 */
export class PrefixWatch {
  readonly #connection: RedisConnection;
  readonly #prefix: string;
  readonly #found: (key: string) => void;
  readonly #started: PromiseWithResolvers<void> = Promise.withResolvers();
  #clients: Client[] = [];
  #attempt = 0;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #pingTimer: ReturnType<typeof setInterval> | undefined;
  #isClosed = false;

  /**
   * Stores where to look.
   *
   * @param connection Knows where the server is.
   * @param prefix What the keys begin with.
   * @param found Called for each key that is there, or has changed.
   */
  constructor(connection: RedisConnection, prefix: string, found: (key: string) => void) {
    this.#connection = connection;
    this.#prefix = prefix;
    this.#found = found;
  }

  /** Begins. @returns Resolves when it is tracking for the first time, or closed. */
  start(): Promise<void> {
    this.#open();
    this.#pingTimer = setInterval(() => this.#ping(), PING_INTERVAL);
    return this.#started.promise;
  }

  /** Lets go of its connections. */
  close(): void {
    this.#isClosed = true;
    clearTimeout(this.#timer);
    clearInterval(this.#pingTimer);
    this.#disconnect();
    this.#started.resolve();
  }

  #open(): void {
    this.#timer = undefined;
    this.#connect().then(() => {
      this.#attempt = 0;
      this.#started.resolve();
    }, (error) => this.#lost(error));
  }

  async #connect(): Promise<void> {
    const listener = await this.#openOne();
    const tracker = await this.#openOne();
    listener.on("messageBuffer", (_channel, keys) => {
      // No keys: all are gone, as after FLUSHALL.
      for (const key of keys ?? []) this.#found(textDecoder.decode(key));
    });
    const id = await listener.callBuffer("client", "ID") as number;
    await listener.callBuffer("subscribe", CHANNEL);
    const tracking = ["TRACKING", "ON", "REDIRECT", id, "BCAST", "PREFIX", this.#prefix];
    await tracker.callBuffer("client", ...tracking);
    await this.#scan(tracker);
  }

  async #openOne(): Promise<Client> {
    const client = await this.#connection.openListener(this.#prefix);
    if (this.#isClosed) client.disconnect();
    this.#clients.push(client);
    client.on("error", () => {}); // what fails with it says so
    client.on("end", () => {
      if (this.#clients.includes(client)) this.#lost();
    });
    return client;
  }

  /** Entries that were there before, or came while nobody listened. */
  async #scan(client: Client): Promise<void> {
    const pattern = `${this.#prefix.replace(/[*?[\]\\^]/g, "\\$&")}*`;
    let cursor = "0";
    do {
      const reply = await client.callBuffer("scan", cursor, "MATCH", pattern, "COUNT", SCAN_COUNT);
      const [next, keys] = reply as [Buffer, Buffer[]];
      for (const key of keys) this.#found(key.toString());
      cursor = next.toString();
    } while (cursor !== "0");
  }

  #ping(): void {
    for (const client of this.#clients) {
      client.callBuffer("ping").catch((error) => {
        if (this.#clients.includes(client)) this.#lost(error);
      });
    }
  }

  #lost(error?: unknown): void {
    if (this.#isClosed) return;
    this.#disconnect();
    if (error !== undefined && this.#attempt === 0) {
      log.warn("Retrying to listen to keys {prefix}*: {reason}", {
        prefix: this.#prefix,
        reason: errorMessage(error),
        error: redactError(error),
      });
    }
    this.#timer ??= setTimeout(() => this.#open(), retryDelay(this.#attempt++));
  }

  #disconnect(): void {
    const clients = this.#clients;
    this.#clients = [];
    for (const client of clients) client.disconnect();
  }
}

const textDecoder = /* @__PURE__ */ new TextDecoder();
