import { getLogger } from "../../platform/logging.ts";
import type { RedisConnection } from "./connection.ts";
import { Invalidations } from "./invalidations.ts";

const log = /* @__PURE__ */ getLogger("redis");

/**
 * Notifies consumers of messages on their queues, without polling.
 *
 * It uses client-side caching of Redis: after one connection has read the length of a queue, Redis
 * notifies another connection, once, when any client changes that queue. So two connections serve all
 * queues.
 *
 * While tracking is off, heartbeats find new messages. When tracking begins, all waiters are notified
 * once.
 */
export class KeyNotifier {
  readonly #invalidations: Invalidations;
  readonly #waiting: Map<string, Set<() => void>> = new Map();

  /**
   * Stores the connection; the first subscription connects.
   *
   * @param connection The connection, for the address of the servers.
   * @param key A key on the same node as all others.
   */
  constructor(connection: RedisConnection, key: string) {
    this.#invalidations = new Invalidations(connection, {
      key,
      hasReader: true,
      log,
      polled: "messages",
      track: async (subscriberId) => {
        const reader = this.#invalidations.reader!;
        await reader.callBuffer("client", "TRACKING", "ON", "REDIRECT", subscriberId);
      },
      changed: (keys) => {
        if (keys === undefined) return this.#notifyAll();
        for (const key of keys) this.#notify(key);
      },
      up: () => this.#notifyAll(),
    });
    connection.onUp(() => this.#notifyAll()); // messages of the outage came without notification
  }

  /** True if Redis notifies of changes. */
  get isTracking(): boolean {
    return this.#invalidations.isTracking;
  }

  /**
   * Calls back once when a queue has messages, or may have some.
   *
   * @param queue The key of the queue.
   * @param wake The callback.
   */
  subscribe(queue: string, wake: () => void): void {
    this.#subscribe(queue, wake, "llen", (length) => length !== 0);
  }

  /**
   * Calls back once when the value of a key differs, or may differ, from the last one read.
   *
   * @param key The key of a string.
   * @param seen The last value; empty if the key did not exist.
   * @param wake The callback.
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
    const { reader } = this.#invalidations;
    if (reader === undefined || !this.isTracking) return this.#invalidations.open();
    reader.callBuffer(command, key).then((reply) => {
      this.#invalidations.confirm();
      if (hasChanged(reply)) this.#notify(key);
    }, (error) => this.#invalidations.lost(error, reader));
  }

  /** Removes a callback. */
  unsubscribe(queue: string, wake: () => void): void {
    const waiting = this.#waiting.get(queue);
    waiting?.delete(wake);
    if (waiting?.size === 0) this.#waiting.delete(queue);
  }

  /** Sends a command on both connections, to detect a half-open one. */
  ping(): void {
    this.#invalidations.ping("ping");
  }

  /** Closes the connections. No waiter is notified any more. */
  close(): void {
    this.#invalidations.close();
    this.#waiting.clear();
  }

  #notify(queue: string): void {
    const waiting = this.#waiting.get(queue);
    if (waiting === undefined) return;
    this.#waiting.delete(queue);
    for (const wake of waiting) wake();
  }

  #notifyAll(): void {
    // A copy, since callbacks may subscribe again.
    for (const queue of [...this.#waiting.keys()]) this.#notify(queue);
  }
}
