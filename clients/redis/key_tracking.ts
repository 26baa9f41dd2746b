import type { Client } from "./client.ts";
import type { RedisConnection } from "./connection.ts";
import type { RedisReply } from "./reply.ts";
import type { Script } from "./script.ts";
import { explain } from "./errors.ts";
import { getLogger } from "../../platform/logging.ts";
import { retryDelay } from "../../platform/retry_delay.ts";
import { redactError } from "../redact.ts";
import { errorMessage } from "../../platform/thrown.ts";

const log = /* @__PURE__ */ getLogger("results", "redis");

/** The channel on which Redis tells what changed. Source: "Client-side caching" in its manual. */
const CHANNEL = "__redis__:invalidate";
/** Replies of servers that cannot track keys, or do not permit it. */
const UNSUPPORTED = /^(ERR unknown|ERR Unknown|NOPERM)/;
/** Milliseconds between two looks whether the connections still stand. */
const PING_INTERVAL = 1_000;

/** Receiver of notifications. */
export interface TrackingListener {
  /** Some keys have changed. */
  notify(keys: readonly string[]): void;
  /** Any key may have changed. */
  notifyAll(): void;
  /** True if changes of keys that were read are told. */
  setNotified(isNotified: boolean): void;
}

/**
 * Hears of changes of all keys that a connection has read, whoever changes them, on one
 * connection more: Redis remembers for its clients what they have read, for their caches.
 * On a cluster, where a client has many connections, one of our own reads the keys.
 *
 * off ─▶ opening ─▶ tracking ─▶ lost ─▶ opening …
 *
 * What Redis remembers ends with either connection. Then both are set up again, and whoever
 * waits looks at everything once more.
 */
export class KeyTracking {
  readonly #connection: RedisConnection;
  readonly #listener: TrackingListener;
  readonly #clusterKey: string | undefined;
  /** Connection that reads the keys of a cluster. */
  #reader: Client | undefined;
  #isTracking = false;
  /** Connection on which Redis announces changes. */
  #subscriber: Client | undefined;
  /** Id of that connection. */
  #subscriberId: number | undefined;
  /** Name of that connection: shows that both connections lead to the same server. */
  #subscriberName = "";
  #isOpening = false;
  #isWanted = false;
  #isClosed = false;
  #isUnsupported = false;
  #attempt = 0;
  #retryTimer: ReturnType<typeof setTimeout> | undefined;
  #pingTimer: ReturnType<typeof setInterval> | undefined;

  /**
   * Stores the connection; `start` begins.
   *
   * @param connection What reads the keys.
   * @param listener Who wants to know.
   * @param clusterKey On a cluster, a key that lies where all others do.
   */
  constructor(connection: RedisConnection, listener: TrackingListener, clusterKey?: string) {
    this.#connection = connection;
    this.#listener = listener;
    this.#clusterKey = clusterKey;
    connection.onUp(() => {
      // The first time there is nobody to tell yet.
      if (this.#subscriberId === undefined || clusterKey !== undefined) return;
      this.#track().catch((error) => this.#lost(error));
    });
  }

  /**
   * Reads keys, so that changes of them are told, if they can be by now.
   *
   * @param script What reads them.
   * @param keys The keys.
   * @returns What the script returned.
   * @throws The same as `RedisConnection.run`.
   */
  async read(script: Script, keys: readonly string[]): Promise<RedisReply> {
    const reader = this.#reader;
    if (reader === undefined || !this.#isTracking) {
      return await this.#connection.run(script, keys, []);
    }
    try {
      return await reader.callBuffer("eval", script.text, keys.length, ...keys) as RedisReply;
    } catch (error) {
      if (reader === this.#reader) this.#lost(error); // its keys may lie elsewhere now
      throw explain(error, undefined, script.purpose);
    }
  }

  /** Begins to listen, or goes on. */
  start(): void {
    this.#isWanted = true;
    if (this.#isClosed || this.#isUnsupported) return;
    this.#pingTimer ??= setInterval(() => this.#ping(), PING_INTERVAL);
    if (this.#subscriber === undefined) this.#open();
  }

  /** Nobody waits at the moment: the connection stays, yet is not looked after. */
  rest(): void {
    this.#isWanted = false;
    clearInterval(this.#pingTimer);
    this.#pingTimer = undefined;
  }

  /** Lets go of the connection. Nobody is told any more. */
  close(): void {
    this.#isClosed = true;
    this.rest();
    clearTimeout(this.#retryTimer);
    this.#disconnect();
  }

  #open(): void {
    if (this.#isOpening || this.#retryTimer !== undefined) return;
    this.#isOpening = true;
    this.#connect().catch((error) => this.#lost(error)).then(() => this.#isOpening = false);
  }

  async #connect(): Promise<void> {
    const subscriber = this.#subscriber = await this.#openOne();
    if (this.#clusterKey !== undefined) this.#reader = await this.#openOne();
    subscriber.on("messageBuffer", (_channel, keys) => {
      // No keys: all have changed, as after FLUSHALL.
      if (keys === null) this.#listener.notifyAll();
      else this.#listener.notify(keys.map((key) => textDecoder.decode(key)));
    });
    const id = await subscriber.callBuffer("client", "ID") as number;
    this.#subscriberName = `dramatiq-results-${crypto.randomUUID()}`;
    await subscriber.callBuffer("client", "SETNAME", this.#subscriberName);
    await subscriber.callBuffer("subscribe", CHANNEL);
    this.#subscriberId = id;
    await this.#track();
    if (this.#subscriber !== subscriber) throw new Error("the connection was lost meanwhile");
    this.#attempt = 0;
  }

  async #openOne(): Promise<Client> {
    const client = await this.#connection.openListener(this.#clusterKey ?? "");
    client.on("error", () => {}); // what fails with it says so
    client.on("end", () => {
      if (this.#subscriber === client || this.#reader === client) this.#lost();
    });
    if (!this.#isClosed) return client;
    client.disconnect();
    throw new Error("it was closed meanwhile");
  }

  /** Has Redis remember what the connection reads from now on. */
  async #track(): Promise<void> {
    const [id, name] = [this.#subscriberId!, this.#subscriberName];
    // After a failover, two connections may lead to two servers for a while.
    const [clients] = await Promise.all([
      this.#ask("client", "LIST", "ID", id),
      this.#ask("client", "TRACKING", "ON", "REDIRECT", id),
    ]);
    if (!String(clients).includes(`name=${name} `)) {
      throw new Error("the two connections lead to different servers");
    }
    if (this.#subscriberId !== id) return;
    this.#isTracking = true;
    this.#listener.setNotified(true);
  }

  /** Asks on the connection that reads the keys. */
  #ask(name: string, ...args: (string | number)[]): Promise<unknown> {
    const reader = this.#reader;
    return reader?.callBuffer(name, ...args) ?? this.#connection.command(name, ...args);
  }

  /** Asks both connections for an answer, so that a half-open one is found. */
  #ping(): void {
    if (this.#subscriberId === undefined) return;
    const subscriber = this.#subscriber!;
    const lost = (error: unknown) => {
      if (this.#subscriber === subscriber) this.#lost(error);
    };
    subscriber.callBuffer("ping").catch(lost);
    // A node of a cluster may have given its keys to another one.
    if (this.#reader !== undefined) {
      this.#reader.callBuffer("exists", this.#clusterKey!).catch(lost);
    } else this.#connection.command("ping").catch(() => {}); // it finds out by itself
  }

  #lost(error?: unknown): void {
    if (this.#isClosed) return;
    this.#disconnect();
    if (error !== undefined && UNSUPPORTED.test(replyOf(error))) {
      this.#isUnsupported = true;
      log.warn("Polling Redis for new results: {reason}", {
        reason: errorMessage(error),
        error: redactError(error),
      });
      return;
    }
    this.#retryTimer ??= setTimeout(() => {
      this.#retryTimer = undefined;
      if (this.#isWanted) this.#open();
    }, retryDelay(this.#attempt++));
  }

  #disconnect(): void {
    const clients = [this.#subscriber, this.#reader];
    const wasTracking = this.#isTracking;
    this.#subscriber = this.#reader = this.#subscriberId = undefined;
    this.#isTracking = false;
    for (const client of clients) client?.disconnect();
    if (wasTracking && !this.#isClosed) this.#listener.setNotified(false);
  }
}

const textDecoder = /* @__PURE__ */ new TextDecoder();

/** Reply of the server: the connection wraps it in an error that says more. */
function replyOf(error: unknown): string {
  const cause = error instanceof Error ? error.cause : undefined;
  return errorMessage(cause ?? error);
}
