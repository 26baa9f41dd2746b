import type { Buffer } from "node:buffer";
import type { Client } from "../clients/redis/client.ts";
import type { RedisConnection } from "../clients/redis/connection.ts";
import { Invalidations } from "../clients/redis/invalidations.ts";
import { getLogger } from "../platform/logging.ts";
import { redactError } from "../clients/redact.ts";
import { errorMessage } from "../platform/thrown.ts";

const log = /* @__PURE__ */ getLogger("control", "redis");

/** Number of keys that one `SCAN` visits. */
const SCAN_COUNT = 1_000;
/** Milliseconds between two pings of both connections. */
const PING_INTERVAL = 5_000;

/**
 * Reports all keys with a prefix, existing and new ones, through client-side caching (`CLIENT
 * TRACKING` in broadcasting mode). After each connect it scans for keys that were written before.
 *
 * Has connections of its own: a client that tracks by prefix cannot track the keys that it reads.
 */
export class PrefixWatch {
  readonly #prefix: string;
  readonly #found: (key: string) => void;
  readonly #invalidations: Invalidations;
  readonly #started: PromiseWithResolvers<void> = Promise.withResolvers();
  #pingTimer: ReturnType<typeof setInterval> | undefined;

  /**
   * Stores the prefix; `start` connects.
   *
   * @param connection Provides the address of the server.
   * @param prefix Prefix of the keys.
   * @param found Called for each key that exists, or has changed.
   */
  constructor(connection: RedisConnection, prefix: string, found: (key: string) => void) {
    this.#prefix = prefix;
    this.#found = found;
    this.#invalidations = new Invalidations(connection, {
      key: prefix,
      hasReader: true,
      log,
      track: (subscriberId) => this.#track(this.#invalidations.reader!, subscriberId),
      changed: (keys) => keys?.forEach(found), // `undefined` after FLUSHALL
      up: () => {
        this.#invalidations.confirm();
        this.#started.resolve();
      },
      failed: (error) => {
        log.warn("Retrying to listen to keys {prefix}*: {reason}", {
          prefix,
          reason: errorMessage(error),
          error: redactError(error),
        });
      },
    });
  }

  /** Connects. Resolves when it is tracking for the first time, or closed. */
  start(): Promise<void> {
    this.#invalidations.open();
    this.#pingTimer = setInterval(() => this.#invalidations.ping("ping"), PING_INTERVAL);
    return this.#started.promise;
  }

  /** Closes the connections. */
  close(): void {
    clearInterval(this.#pingTimer);
    this.#invalidations.close();
    this.#started.resolve();
  }

  async #track(client: Client, subscriberId: number): Promise<void> {
    const tracking = ["TRACKING", "ON", "REDIRECT", subscriberId, "BCAST", "PREFIX", this.#prefix];
    await client.callBuffer("client", ...tracking);
    await this.#scan(client);
  }

  /** Reports the keys that were written before tracking began. */
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
}
