import type { RedisConnection } from "../../clients/redis/connection.ts";
import { isTransient } from "../../clients/redis/errors.ts";
import type { KeyNotifier } from "../../clients/redis/key_notifier.ts";
import { KeyWaiters } from "../../platform/key_waiters.ts";

/** A list that somebody waits for. */
interface Watch {
  /** Called by `KeyNotifier`, once. */
  readonly notified: () => void;
  isLooking: boolean;
}

/** Milliseconds between two polls of lists of which Redis tells when they change. */
const POLL_INTERVAL = 1_000;
/** And at those of which nobody tells: on a cluster. */
const FAST_POLL_INTERVAL = 100;

/**
 * Waits until lists in Redis have something in them, and takes nothing out.
 *
 * All who wait share what the broker's consumers use, {@linkcode KeyNotifier}: two connections,
 * however many they are. Redis tells once that a list has changed; it is looked at then, and
 * beside that once a second, in case the telling was lost with a connection.
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
   * Stores how to ask.
   *
   * @param connection What to look with.
   * @param notifier Tells of changes; without, lists are looked at often.
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
   * @returns Whether it had in time.
   * @throws The reason of the signal, if that aborts before.
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
    if (watch.isLooking) return; // the server is away, and one look lasts until it is back
    watch.isLooking = true;
    try {
      const length = await this.#connection.command("look at a barrier", "llen", list);
      if (length !== 0) this.#waiters.wake(list);
    } catch (error) {
      // While the server is unavailable they go on waiting; the timer looks again.
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
