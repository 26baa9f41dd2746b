import { type Client, retryDelay } from "../../brokers/redis/client.ts";
import type { RedisConnection } from "../../brokers/redis/connection.ts";
import { getLogger } from "../../core/logging.ts";
import { errorMessage } from "../../core/thrown.ts";

const log = getLogger("results", "redis");

/** The channel on which Redis tells what changed. Source: "Client-side caching" in its manual. */
const CHANNEL = "__redis__:invalidate";
/** What servers answer that cannot tell of changes, or may not. */
const UNSUPPORTED = /^(ERR unknown|ERR Unknown|NOPERM)/;
/** Milliseconds between two looks whether the connections still stand. */
const PING_INTERVAL = 1_000;

/** Who wants to know. */
export interface TrackingListener {
  /** Some keys have changed. */
  tell(keys: readonly string[]): void;
  /** Any key may have changed. */
  tellAll(): void;
  /** Whether changes of keys that were read are told. */
  setTold(isTold: boolean): void;
}

/**
 * Hears of changes of all keys that a connection has read, whoever changes them, on one
 * connection more: Redis remembers for its clients what they have read, for their caches.
 *
 * off ─▶ opening ─▶ tracking ─▶ lost ─▶ opening …
 *
 * What Redis remembers ends with either connection. Then both are set up again, and whoever
 * waits looks at everything once more.
 */
export class RedisTracking {
  readonly #connection: RedisConnection;
  readonly #listener: TrackingListener;
  /** Where Redis tells of changes. */
  #ears: Client | undefined;
  /** What Redis calls that connection. */
  #earsId: number | undefined;
  /** What we call it: tells that both connections lead to the same server. */
  #earsName = "";
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
   */
  constructor(connection: RedisConnection, listener: TrackingListener) {
    this.#connection = connection;
    this.#listener = listener;
    connection.onUp(() => {
      // The first time there is nobody to tell yet.
      if (this.#earsId !== undefined) this.#track().catch((error) => this.#lost(error));
    });
  }

  /** Begins to listen, or goes on. */
  start(): void {
    this.#isWanted = true;
    if (this.#isClosed || this.#isUnsupported) return;
    this.#pingTimer ??= setInterval(() => this.#ping(), PING_INTERVAL);
    if (this.#ears === undefined) this.#open();
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
    const ears = await this.#connection.openListener("");
    if (this.#isClosed) return ears.disconnect();
    this.#ears = ears;
    ears.on("error", () => {}); // what fails with it says so
    ears.on("end", () => {
      if (this.#ears === ears) this.#lost();
    });
    ears.on("messageBuffer", (_channel, keys) => {
      // No keys: all have changed, as after FLUSHALL.
      if (keys === null) this.#listener.tellAll();
      else this.#listener.tell(keys.map((key) => textDecoder.decode(key)));
    });
    const id = await ears.callBuffer("client", "ID") as number;
    this.#earsName = `dramatiq-results-${crypto.randomUUID()}`;
    await ears.callBuffer("client", "SETNAME", this.#earsName);
    await ears.callBuffer("subscribe", CHANNEL);
    this.#earsId = id;
    await this.#track();
    this.#attempt = 0;
  }

  /** Has Redis remember what the connection reads from now on. */
  async #track(): Promise<void> {
    const [id, name] = [this.#earsId!, this.#earsName];
    // After a failover, two connections may lead to two servers for a while.
    const [clients] = await Promise.all([
      this.#connection.command("client", "LIST", "ID", id),
      this.#connection.command("client", "TRACKING", "ON", "REDIRECT", id),
    ]);
    if (!String(clients).includes(`name=${name} `)) {
      throw new Error("the two connections lead to different servers");
    }
    if (this.#earsId === id) this.#listener.setTold(true);
  }

  /** Asks both connections for an answer, so that a half-open one is found. */
  #ping(): void {
    if (this.#earsId === undefined) return;
    const ears = this.#ears!;
    ears.callBuffer("ping").catch((error) => {
      if (this.#ears === ears) this.#lost(error);
    });
    this.#connection.command("ping").catch(() => {}); // it finds out by itself
  }

  #lost(error?: unknown): void {
    if (this.#isClosed) return;
    this.#disconnect();
    if (error !== undefined && UNSUPPORTED.test(replyOf(error))) {
      this.#isUnsupported = true;
      log.warn("Redis does not tell of new results, so that they are looked for: {reason}", {
        reason: errorMessage(error),
        error,
      });
      return;
    }
    this.#retryTimer ??= setTimeout(() => {
      this.#retryTimer = undefined;
      if (this.#isWanted) this.#open();
    }, retryDelay(this.#attempt++));
  }

  #disconnect(): void {
    const ears = this.#ears;
    const wasTold = this.#earsId !== undefined;
    this.#ears = this.#earsId = undefined;
    ears?.disconnect();
    if (wasTold && !this.#isClosed) this.#listener.setTold(false);
  }
}

const textDecoder = new TextDecoder();

/** What the server said: the connection wraps it in an error that says more. */
function replyOf(error: unknown): string {
  const cause = error instanceof Error ? error.cause : undefined;
  return errorMessage(cause ?? error);
}
