import type { RedisConnection } from "../../clients/redis/connection.ts";
import { isTransient } from "../../clients/redis/errors.ts";
import type { KeyNotifier } from "../../clients/redis/key_notifier.ts";
import { KeyWaiters } from "../../platform/key_waiters.ts";

/** A list with waiters. */
interface Watch {
  /** Called by `KeyNotifier`, once. */
  readonly notified: () => void;
  isLooking: boolean;
}

/** Milliseconds between two polls of lists, if Redis also notifies of their changes. */
const POLL_INTERVAL = 1_000;
/** Milliseconds between two polls without such notifications: on a cluster. */
const FAST_POLL_INTERVAL = 100;

/**
 * Waits until lists in Redis have something in them, and takes nothing out.
 *
 * All waiters share two connections, those of a {@linkcode KeyNotifier}, as the broker's consumers
 * do. Redis notifies once that a list has changed; the list is checked then, and also once a second,
 * in case the notification was lost with a connection.
 *
 * first waiter ─▶ expecting ─▶ notified, or the timer ─▶ looking ─▶ all woken
 *                     ▲───────────── still empty ───────┘
 */
export class EventLists {
  readonly #connection: RedisConnection;
  readonly #notifier: KeyNotifier | undefined;
  readonly #waiters: KeyWaiters = new KeyWaiters(undefined, (list) => this.#forget(list));
  readonly #watches: Map<string, Watch> = new Map();
  #timer: ReturnType<typeof setInterval> | undefined;

  /**
   * Stores the connections.
   *
   * @param connection Checks the lists.
   * @param notifier Notifies of changes; without it, lists are checked often.
   */
  constructor(connection: RedisConnection, notifier: KeyNotifier | undefined) {
    this.#connection = connection;
    this.#notifier = notifier;
  }

  /**
   * Waits until a list has something in it.
   *
   * @param list Its key.
   * @param timeout Milliseconds to wait at most.
   * @param signal Ends the wait when it aborts.
   * @returns True if it had something in time.
   * @throws The reason of the signal, if it aborts first.
   */
  wait(list: string, timeout: number, signal?: AbortSignal): Promise<boolean> {
    const waiting = this.#waiters.wait(list, timeout, signal);
    if (!this.#watches.has(list) && signal?.aborted !== true) this.#watch(list);
    return waiting;
  }

  /** Fails all waiters. */
  close(error: Error): void {
    this.#waiters.failAll(error);
  }

  #watch(list: string): void {
    const notified = () => void this.#look(list, watch).then(() => this.#expect(list, watch));
    const watch: Watch = { notified, isLooking: false };
    this.#watches.set(list, watch);
    this.#expect(list, watch);
    void this.#look(list, watch);
    this.#timer ??= setInterval(() => {
      this.#notifier?.ping();
      for (const [list, watch] of this.#watches) void this.#look(list, watch);
    }, this.#notifier === undefined ? FAST_POLL_INTERVAL : POLL_INTERVAL);
  }

  #expect(list: string, watch: Watch): void {
    if (this.#watches.get(list) === watch) this.#notifier?.subscribe(list, watch.notified);
  }

  async #look(list: string, watch: Watch): Promise<void> {
    if (watch.isLooking) return; // while the server is unavailable, one check lasts until it is back
    watch.isLooking = true;
    try {
      const length = await this.#connection.command("look at a barrier", "llen", list);
      if (length !== 0) this.#waiters.wake(list);
    } catch (error) {
      // While the server is unavailable, waiters keep waiting; the timer checks again.
      if (!isTransient(error)) this.#waiters.fail(list, error);
    } finally {
      watch.isLooking = false;
    }
  }

  #forget(list: string): void {
    this.#notifier?.unsubscribe(list, this.#watches.get(list)!.notified);
    this.#watches.delete(list);
    if (this.#watches.size > 0) return;
    clearInterval(this.#timer);
    this.#timer = undefined;
  }
}
