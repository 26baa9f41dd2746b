import type { RedisConnection } from "./connection.ts";
import type { RedisReply } from "./reply.ts";
import type { Script } from "./script.ts";
import { explain } from "./errors.ts";
import { Invalidations } from "./invalidations.ts";
import { getLogger } from "../../platform/logging.ts";

const log = /* @__PURE__ */ getLogger("results", "redis");

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
 * Notifies of changes, by any client, of all keys that a connection has read, on one connection
 * more: Redis remembers for its clients what they have read, for their caches. On a cluster, where
 * a client has many connections, one of our own reads the keys.
 *
 * After a loss all waiters read their keys once more.
 */
export class KeyTracking {
  readonly #connection: RedisConnection;
  readonly #clusterKey: string | undefined;
  readonly #invalidations: Invalidations;
  /** Name of the connection on which Redis tells: shows that both lead to the same server. */
  #name = "";
  #isWanted = false;
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
    this.#clusterKey = clusterKey;
    this.#invalidations = new Invalidations(connection, {
      key: clusterKey ?? "",
      hasReader: clusterKey !== undefined,
      log,
      polled: "results",
      nameIt: () => this.#name = `dramatiq-results-${crypto.randomUUID()}`,
      track: (subscriberId) => this.#track(subscriberId),
      changed: (keys) => keys === undefined ? listener.notifyAll() : listener.notify(keys),
      up: () => {
        this.#invalidations.confirm();
        listener.setNotified(true);
      },
      down: () => listener.setNotified(false),
      isWanted: () => this.#isWanted,
    });
    connection.onUp(() => {
      const { subscriberId } = this.#invalidations;
      // The first time there is nobody to tell yet.
      if (subscriberId === undefined || clusterKey !== undefined) return;
      this.#track(subscriberId).then(() => {
        if (this.#invalidations.isTracking) listener.setNotified(true);
      }, (error) => this.#invalidations.lost(error));
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
    const { reader, isTracking } = this.#invalidations;
    if (reader === undefined || !isTracking) {
      return await this.#connection.run(script, keys, []);
    }
    try {
      return await reader.callBuffer("eval", script.text, keys.length, ...keys) as RedisReply;
    } catch (error) {
      this.#invalidations.lost(error, reader); // its keys may lie elsewhere now
      throw explain(error, undefined, script.purpose);
    }
  }

  /** Begins to listen, or goes on. */
  start(): void {
    this.#isWanted = true;
    if (this.#invalidations.isOver) return;
    this.#pingTimer ??= setInterval(() => this.#ping(), PING_INTERVAL);
    this.#invalidations.open();
  }

  /**
   * There are no waiters at the moment: the connection stays open, but is no longer pinged.
   */
  rest(): void {
    this.#isWanted = false;
    clearInterval(this.#pingTimer);
    this.#pingTimer = undefined;
  }

  /** Closes the connection. No waiter is notified any more. */
  close(): void {
    this.rest();
    this.#invalidations.close();
  }

  /** Has Redis remember what the connection reads from now on. */
  async #track(subscriberId: number): Promise<void> {
    const name = this.#name;
    // After a failover, two connections may lead to two servers for a while.
    const [clients] = await Promise.all([
      this.#ask("client", "LIST", "ID", subscriberId),
      this.#ask("client", "TRACKING", "ON", "REDIRECT", subscriberId),
    ]);
    if (!String(clients).includes(`name=${name} `)) {
      throw new Error("the two connections lead to different servers");
    }
  }

  /** Asks on the connection that reads the keys. */
  #ask(name: string, ...args: (string | number)[]): Promise<unknown> {
    const { reader } = this.#invalidations;
    return reader?.callBuffer(name, ...args) ??
      this.#connection.command("track keys", name, ...args);
  }

  /** Asks both connections for an answer, so that a half-open one is found. */
  #ping(): void {
    const { subscriberId } = this.#invalidations;
    if (subscriberId === undefined) return;
    // A node of a cluster may have given its keys to another one.
    this.#invalidations.ping("exists", this.#clusterKey ?? "");
    if (this.#clusterKey === undefined) {
      this.#connection.command("ping Redis", "ping").catch(() => {}); // it finds out by itself
    }
  }
}
