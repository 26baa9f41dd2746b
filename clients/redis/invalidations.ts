import type { Logger } from "../../platform/logging.ts";
import { retryDelay } from "../../platform/retry_delay.ts";
import { errorMessage } from "../../platform/thrown.ts";
import { redactError } from "../redact.ts";
import type { Client } from "./client.ts";
import type { RedisConnection } from "./connection.ts";

/** Channel on which Redis announces changed keys. Source: "Client-side caching" in its manual. */
const CHANNEL = "__redis__:invalidate";
/** Replies of servers without tracking, or without the permission for it. */
const UNSUPPORTED = /^(ERR [Uu]nknown|NOPERM)/;

/** Settings of {@linkcode Invalidations}. */
export interface InvalidationsOptions {
  /** A key on the same node as all others. */
  readonly key: string;
  /** True to read the keys on a connection of its own, `reader`. */
  readonly hasReader: boolean;
  /** Logger for outages. */
  readonly log: Logger;
  /**
   * Objects to poll for if Redis cannot track keys: the end of "Polling Redis for new …". Without it,
   * a refusal is retried.
   */
  readonly polled?: string;
  /** Returns a name for the notification connection, each time that it is opened. */
  nameIt?(): string;
  /** Turns tracking on, with notifications to the connection with this id. */
  track(subscriberId: number): Promise<void>;
  /** Called when keys have changed; `undefined` if any key may have. */
  changed(keys: readonly string[] | undefined): void;
  /** Called when notifications begin. */
  up(): void;
  /** Called when notifications are interrupted. */
  down?(): void;
  /** Called with the first error since `confirm`. */
  failed?(error: unknown): void;
  /** True to reconnect after a loss. @default Always. */
  isWanted?(): boolean;
}

/**
 * A connection on which Redis announces changes to the keys that another connection has read: the
 * invalidation messages of client-side caching.
 *
 * idle ─(open)▶ opening ─▶ tracking ─(loss)▶ waiting ─▶ opening …
 *                  └─(no tracking in Redis, or close)▶ over
 *
 * Redis forgets the tracked keys when either connection closes. Then both are opened again.
 */
export class Invalidations {
  readonly #connection: RedisConnection;
  readonly #options: InvalidationsOptions;
  #subscriber: Client | undefined;
  #subscriberId: number | undefined;
  #reader: Client | undefined;
  #state: "idle" | "opening" | "tracking" | "waiting" | "over" = "idle";
  #attempt = 0;
  #timer: ReturnType<typeof setTimeout> | undefined;

  /**
   * Stores the settings; `open` connects.
   *
   * @param connection The connection, for the address of the servers.
   * @param options Settings and callbacks.
   */
  constructor(connection: RedisConnection, options: InvalidationsOptions) {
    this.#connection = connection;
    this.#options = options;
  }

  /** True if Redis announces changes. */
  get isTracking(): boolean {
    return this.#state === "tracking";
  }

  /** True if it is closed, or Redis cannot track keys. */
  get isOver(): boolean {
    return this.#state === "over";
  }

  /** Connection that reads the keys, once it is open. */
  get reader(): Client | undefined {
    return this.#reader;
  }

  /** Id of the notification connection, once it is subscribed. */
  get subscriberId(): number | undefined {
    return this.#subscriberId;
  }

  /** Opens the connections, if it is idle. */
  open(): void {
    if (this.#state === "idle") this.#open();
  }

  /** Notes that tracking works, which resets the delay before a reconnect. */
  confirm(): void {
    this.#attempt = 0;
  }

  /**
   * Sends a command on both connections, to detect a half-open one.
   *
   * @param readerCommand The command for the reader; the other gets `ping`.
   */
  ping(...readerCommand: [string, ...string[]]): void {
    if (this.#subscriber === undefined) return;
    const clients: [Client, [string, ...string[]]][] = [[this.#subscriber, ["ping"]]];
    if (this.#reader !== undefined) clients.push([this.#reader, readerCommand]);
    for (const [client, command] of clients) {
      client.callBuffer(...command).catch((error) => this.lost(error, client));
    }
  }

  /**
   * Reopens the connections after a delay.
   *
   * @param error The cause, if it is known.
   * @param client The client whose connection was lost; one that was replaced before is ignored.
   */
  lost(error?: unknown, client?: Client): void {
    if (this.isOver) return;
    if (client !== undefined && client !== this.#reader && client !== this.#subscriber) return;
    this.#disconnect();
    const { polled, log, failed } = this.#options;
    if (error !== undefined && polled !== undefined && UNSUPPORTED.test(replyOf(error))) {
      this.close();
      log.warn("Polling Redis for new {polled}: {reason}", {
        polled,
        reason: errorMessage(error),
        error: redactError(error),
      });
      return;
    }
    if (this.#state === "opening" || this.#state === "waiting") return;
    if (error !== undefined && this.#attempt === 0) failed?.(error);
    this.#state = "waiting";
    this.#timer = setTimeout(() => {
      this.#state = "idle";
      if (this.#options.isWanted?.() ?? true) this.#open();
    }, retryDelay(this.#attempt++));
  }

  /** Closes the connections for good. */
  close(): void {
    this.#state = "over";
    clearTimeout(this.#timer);
    this.#disconnect();
  }

  #open(): void {
    this.#state = "opening";
    this.#connect().catch((error) => {
      if (this.#state === "opening") this.#state = "idle";
      this.lost(error);
    });
  }

  async #connect(): Promise<void> {
    const { hasReader, nameIt, track, changed, up } = this.#options;
    const subscriber = this.#subscriber = await this.#openOne();
    if (hasReader) this.#reader = await this.#openOne();
    subscriber.on("messageBuffer", (_channel, keys) => {
      // Without keys, all may have changed, as after `FLUSHALL`.
      changed(keys?.map((key) => textDecoder.decode(key)) ?? undefined);
    });
    const id = await subscriber.callBuffer("client", "ID") as number;
    if (nameIt !== undefined) await subscriber.callBuffer("client", "SETNAME", nameIt());
    await subscriber.callBuffer("subscribe", CHANNEL);
    this.#subscriberId = id;
    await track(id);
    if (this.#subscriber !== subscriber) throw new Error("the connection was lost meanwhile");
    this.#state = "tracking";
    up();
  }

  async #openOne(): Promise<Client> {
    const client = await this.#connection.openListener(this.#options.key);
    client.on("error", () => {}); // the "end" event follows
    client.on("end", () => this.lost(undefined, client));
    if (!this.isOver) return client;
    client.disconnect();
    throw new Error("it was closed meanwhile");
  }

  #disconnect(): void {
    const clients = [this.#subscriber, this.#reader];
    const wasTracking = this.isTracking;
    this.#subscriber = this.#reader = this.#subscriberId = undefined;
    for (const client of clients) client?.disconnect();
    if (wasTracking) this.#options.down?.();
  }
}

const textDecoder = /* @__PURE__ */ new TextDecoder();

/** The server's reply, which the connection wraps in an error of this library. */
function replyOf(error: unknown): string {
  const cause = error instanceof Error ? error.cause : undefined;
  return errorMessage(cause ?? error);
}
