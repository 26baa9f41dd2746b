import type { Logger } from "../../platform/logging.ts";
import { retryDelay } from "../../platform/retry_delay.ts";
import { errorMessage } from "../../platform/thrown.ts";
import { redactError } from "../redact.ts";
import type { Client } from "./client.ts";
import type { RedisConnection } from "./connection.ts";

/** The channel on which Redis tells what changed. Source: "Client-side caching" in its manual. */
const CHANNEL = "__redis__:invalidate";
/** Replies of servers that cannot track keys, or do not permit it. */
const UNSUPPORTED = /^(ERR [Uu]nknown|NOPERM)/;

/** Settings of {@linkcode Invalidations}. */
export interface InvalidationsOptions {
  /** A key that lies where all others do. */
  readonly key: string;
  /** True if the keys are read on a connection of its own, `reader`. */
  readonly hasReader: boolean;
  /** Logger for outages. */
  readonly log: Logger;
  /**
   * Thing to poll for if Redis cannot track keys: the end of "Polling Redis for new …". Without it,
   * a refusal is retried.
   */
  readonly polled?: string;
  /** Names the connection on which Redis tells, each time that it is opened. */
  nameIt?(): string;
  /** Has Redis tell the connection with this id of keys from now on. */
  track(subscriberId: number): Promise<void>;
  /** Keys have changed; any may have, if none are named. */
  changed(keys: readonly string[] | undefined): void;
  /** Changes are told from now on. */
  up(): void;
  /** Changes are not told any more, for the time being. */
  down?(): void;
  /** It fails, by the first error since `confirm`. */
  failed?(error: unknown): void;
  /** True if it is opened again after it was lost. @default Always. */
  isWanted?(): boolean;
}

/**
 * A connection on which Redis tells that keys have changed which another one has read: what it
 * has for client-side caching.
 *
 * idle ─(open)▶ opening ─▶ tracking ─▶ waiting, after a loss ─▶ opening …
 *                  └─▶ over, if Redis cannot do it or the owner closes it
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
   * @param connection Knows where the servers are.
   * @param options What to listen to, and who hears of it.
   */
  constructor(connection: RedisConnection, options: InvalidationsOptions) {
    this.#connection = connection;
    this.#options = options;
  }

  /** True if Redis tells of changes at present. */
  get isTracking(): boolean {
    return this.#state === "tracking";
  }

  /** True if it is closed, or Redis cannot tell of changes. */
  get isOver(): boolean {
    return this.#state === "over";
  }

  /** Connection that reads the keys, once it is open. */
  get reader(): Client | undefined {
    return this.#reader;
  }

  /** Id of the connection on which Redis tells, once it listens. */
  get subscriberId(): number | undefined {
    return this.#subscriberId;
  }

  /** Opens the connections, unless that is done, under way, or of no use. */
  open(): void {
    if (this.#state === "idle") this.#open();
  }

  /** Notes that the connections are of use: after a loss they are opened again soon. */
  confirm(): void {
    this.#attempt = 0;
  }

  /**
   * Asks both connections for an answer, so that a half-open one is found.
   *
   * @param question The command for the reader.
   */
  ping(...question: [string, ...string[]]): void {
    if (this.#subscriber === undefined) return;
    const clients: [Client, [string, ...string[]]][] = [[this.#subscriber, ["ping"]]];
    if (this.#reader !== undefined) clients.push([this.#reader, question]);
    for (const [client, command] of clients) {
      client.callBuffer(...command).catch((error) => this.lost(error, client));
    }
  }

  /**
   * Opens the connections anew, in a moment.
   *
   * @param error Why, if it is known.
   * @param client Whose connection was lost; one that is gone already does not count.
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
      // No keys: all have changed, as after FLUSHALL.
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
    client.on("error", () => {}); // what fails with it says so
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

/** Reply of the server: the connection wraps it in an error that says more. */
function replyOf(error: unknown): string {
  const cause = error instanceof Error ? error.cause : undefined;
  return errorMessage(cause ?? error);
}
