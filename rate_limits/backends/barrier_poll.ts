import type { MemcachedConnection } from "../../clients/memcached/connection.ts";
import { KeyWaiters } from "../../platform/key_waiters.ts";

/** Milliseconds between two polls of barriers: Memcached has no notifications. */
const POLL_INTERVAL = 50;

/**
 * Waits until barriers of one Memcached server are cleared, by polling all of them together. Each server
 * is polled separately, so that an unavailable one does not delay the barriers of others.
 */
export class BarrierPoll {
  readonly #connection: MemcachedConnection;
  readonly #waiters: KeyWaiters = new KeyWaiters();
  #isPolling = false;
  #endPause: () => void = () => {};

  /**
   * Stores the connection.
   *
   * @param connection The connection.
   */
  constructor(connection: MemcachedConnection) {
    this.#connection = connection;
  }

  /**
   * Waits until a counter is 0.
   *
   * @param key Its key.
   * @param timeout Maximum of milliseconds to wait.
   * @param signal Ends the wait when it aborts.
   * @returns False after the timeout.
   * @throws The reason of the signal, if it aborts before.
   */
  async wait(key: string, timeout: number, signal?: AbortSignal): Promise<boolean> {
    const waiting = this.#waiters.wait(key, timeout, signal);
    if (this.#waiters.keys.length > 0 && !this.#isPolling) void this.#poll();
    return await waiting;
  }

  /** Fails all waiters. */
  close(error: Error): void {
    this.#waiters.failAll(error);
    this.#endPause();
  }

  /** Polls while there are waiters. They continue to wait while the server is unavailable. */
  async #poll(): Promise<void> {
    this.#isPolling = true;
    for (let keys = this.#waiters.keys; keys.length > 0; keys = this.#waiters.keys) {
      try {
        for (const [key, { value }] of await this.#connection.getMany(keys)) {
          if (Number(value.toString()) === 0) this.#waiters.wake(key);
        }
      } catch {
        // The next poll finds out whether it is back.
      }
      if (this.#waiters.keys.length > 0) await this.#pause();
    }
    this.#isPolling = false;
  }

  async #pause(): Promise<void> {
    let timer: ReturnType<typeof setTimeout> | undefined;
    await new Promise<void>((resolve) => {
      this.#endPause = resolve;
      timer = setTimeout(resolve, POLL_INTERVAL);
    });
    clearTimeout(timer);
  }
}
