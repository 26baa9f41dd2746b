import { getLogger } from "../../platform/logging.ts";
import type { RedisConnection } from "./connection.ts";
import { Invalidations } from "./invalidations.ts";

const log = /* @__PURE__ */ getLogger("redis");

/**
 * Tells when queues have something to fetch, without asking again and again and
 * without taking anything.
 *
 * It uses what Redis has for client-side caching: after one connection has read the
 * length of a queue, Redis tells another one, once, when that queue changes, whoever
 * changes it. So two connections serve all queues.
 *
 * While it is not tracking, waiters poll at every heartbeat. When tracking begins, all waiters are
 * notified once.
 */
export class KeyNotifier {
  readonly #invalidations: Invalidations;
  readonly #waiting: Map<string, Set<() => void>> = new Map();

  /**
   * Stores where the servers are; the first wait connects.
   *
   * @param connection Knows where the servers are.
   * @param key A key that lies where all others do.
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
    connection.onUp(() => this.#notifyAll()); // of what came meanwhile nobody has told
  }

  /** True if Redis tells of changes at present. */
  get isTracking(): boolean {
    return this.#invalidations.isTracking;
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
    const { reader } = this.#invalidations;
    if (reader === undefined || !this.isTracking) return this.#invalidations.open();
    reader.callBuffer(command, key).then((reply) => {
      this.#invalidations.confirm();
      if (hasChanged(reply)) this.#notify(key);
    }, (error) => this.#invalidations.lost(error, reader));
  }

  /** Takes back what was expected. */
  unsubscribe(queue: string, wake: () => void): void {
    const waiting = this.#waiting.get(queue);
    waiting?.delete(wake);
    if (waiting?.size === 0) this.#waiting.delete(queue);
  }

  /** Asks both connections for an answer, so that a half-open one is found. */
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
    // Whoever is told may expect more at once: that is for the next time.
    for (const queue of [...this.#waiting.keys()]) this.#notify(queue);
  }
}
