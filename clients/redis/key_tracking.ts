import type { RedisConnection } from "./connection.ts";
import type { RedisReply } from "./reply.ts";
import type { Script } from "./script.ts";
import { explain } from "./errors.ts";
import { Invalidations } from "./invalidations.ts";
import { getLogger } from "../../platform/logging.ts";

const log = /* @__PURE__ */ getLogger("results", "redis");

/** Milliseconds between two pings of the connections. */
const PING_INTERVAL = 1_000;

/** Receiver of notifications. */
export interface TrackingListener {
  /** Called when these keys have changed. */
  notify(keys: readonly string[]): void;
  /** Called when any key may have changed. */
  notifyAll(): void;
  /** Called when notifications begin, and when they are interrupted. */
  setNotified(isNotified: boolean): void;
}

/**
 * Notifies of changes, by any client, to the keys that a connection has read, on a second connection. It
 * uses client-side caching of Redis, which remembers the keys that a client has read. On a cluster,
 * where the client has many connections, the keys are read on a connection of its own.
 *
 * After a loss, all waiters read their keys again.
 */
export class KeyTracking {
  readonly #connection: RedisConnection;
  readonly #clusterKey: string | undefined;
  readonly #invalidations: Invalidations;
  /** Name of the notification connection, by which both are known to be to the same server. */
  #name = "";
  #isActive = false;
  #pingTimer: ReturnType<typeof setInterval> | undefined;

  /**
   * Stores the connection; `start` connects.
   *
   * @param connection The connection that reads the keys.
   * @param listener Receives the notifications.
   * @param clusterKey On a cluster, a key on the same node as all others.
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
      isWanted: () => this.#isActive,
    });
    connection.onUp(() => {
      const { subscriberId } = this.#invalidations;
      // The first time, there is no notification connection yet.
      if (subscriberId === undefined || clusterKey !== undefined) return;
      this.#track(subscriberId).then(() => {
        if (this.#invalidations.isTracking) listener.setNotified(true);
      }, (error) => this.#invalidations.lost(error));
    });
  }

  /**
   * Reads keys, whose later changes are then notified if tracking is on.
   *
   * @param script A script that reads them.
   * @param keys The keys.
   * @returns The result of the script.
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
      this.#invalidations.lost(error, reader); // the keys may have moved to another node
      throw explain(error, undefined, script.purpose);
    }
  }

  /** Starts or resumes tracking. */
  start(): void {
    this.#isActive = true;
    if (this.#invalidations.isOver) return;
    this.#pingTimer ??= setInterval(() => this.#ping(), PING_INTERVAL);
    this.#invalidations.open();
  }

  /**
   * Suspends pings while there are no waiters; the connections stay open.
   */
  rest(): void {
    this.#isActive = false;
    clearInterval(this.#pingTimer);
    this.#pingTimer = undefined;
  }

  /** Closes the connection. No waiter is notified any more. */
  close(): void {
    this.rest();
    this.#invalidations.close();
  }

  /** Turns tracking on for the connection that reads the keys. */
  async #track(subscriberId: number): Promise<void> {
    const name = this.#name;
    // For a while after a failover, the two connections may be to different servers.
    const [clients] = await Promise.all([
      this.#send("client", "LIST", "ID", subscriberId),
      this.#send("client", "TRACKING", "ON", "REDIRECT", subscriberId),
    ]);
    if (!String(clients).includes(`name=${name} `)) {
      throw new Error("the two connections lead to different servers");
    }
  }

  /** Sends a command on the connection that reads the keys. */
  #send(name: string, ...args: (string | number)[]): Promise<unknown> {
    const { reader } = this.#invalidations;
    return reader?.callBuffer(name, ...args) ??
      this.#connection.command("track keys", name, ...args);
  }

  /** Sends a command on both connections, to detect a half-open one. */
  #ping(): void {
    const { subscriberId } = this.#invalidations;
    if (subscriberId === undefined) return;
    // `EXISTS` fails if the node of a cluster has lost the key to another node.
    this.#invalidations.ping("exists", this.#clusterKey ?? "");
    if (this.#clusterKey === undefined) {
      this.#connection.command("ping Redis", "ping").catch(() => {}); // the connection handles its own loss
    }
  }
}
