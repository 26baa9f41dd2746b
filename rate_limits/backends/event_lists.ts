import type { RedisConnection } from "../../brokers/redis/connection.ts";
import { mayPass } from "../../brokers/redis/trouble.ts";
import type { Wakeups } from "../../brokers/redis/wakeups.ts";
import { WaitingRoom } from "./waiting_room.ts";

/** A list that somebody waits for. */
interface Watch {
  /** Called by `Wakeups`, once. */
  readonly told: () => void;
  isLooking: boolean;
}

/** Milliseconds between two looks at lists of which Redis tells when they change. */
const PULSE = 1_000;
/** And at those of which nobody tells: on a cluster. */
const FAST_PULSE = 100;

/**
 * Waits until lists in Redis have something in them, and takes nothing out.
 *
 * All who wait share what the broker's consumers use, {@linkcode Wakeups}: two connections,
 * however many they are. Redis tells once that a list has changed; it is looked at then, and
 * beside that once a second, in case the telling was lost with a connection.
 *
 * first waiter ─▶ expecting ─▶ told, or the pulse ─▶ looking ─▶ all woken
 *                     ▲───────────── still empty ───────┘
 */
export class EventLists {
  readonly #connection: RedisConnection;
  readonly #wakeups: Wakeups | undefined;
  readonly #room: WaitingRoom = new WaitingRoom(undefined, (list) => this.#forget(list));
  readonly #watches: Map<string, Watch> = new Map();
  #pulse: ReturnType<typeof setInterval> | undefined;

  /**
   * Stores how to ask.
   *
   * @param connection What to look with.
   * @param wakeups Tells of changes; without, lists are looked at often.
   */
  constructor(connection: RedisConnection, wakeups: Wakeups | undefined) {
    this.#connection = connection;
    this.#wakeups = wakeups;
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
    const waiting = this.#room.wait(list, timeout, signal);
    if (!this.#watches.has(list) && signal?.aborted !== true) this.#watch(list);
    return waiting;
  }

  /** Fails all who wait. */
  close(error: Error): void {
    this.#room.failAll(error);
  }

  #watch(list: string): void {
    const told = () => void this.#look(list, watch).then(() => this.#expect(list, watch));
    const watch: Watch = { told, isLooking: false };
    this.#watches.set(list, watch);
    this.#expect(list, watch);
    void this.#look(list, watch);
    this.#pulse ??= setInterval(() => {
      this.#wakeups?.ping();
      for (const [list, watch] of this.#watches) void this.#look(list, watch);
    }, this.#wakeups === undefined ? FAST_PULSE : PULSE);
  }

  #expect(list: string, watch: Watch): void {
    if (this.#watches.get(list) === watch) this.#wakeups?.expect(list, watch.told);
  }

  async #look(list: string, watch: Watch): Promise<void> {
    if (watch.isLooking) return; // the server is away, and one look lasts until it is back
    watch.isLooking = true;
    try {
      const length = await this.#connection.command("llen", list);
      if (length !== 0) this.#room.wake(list);
    } catch (error) {
      // While the server is away they go on waiting; the pulse looks again.
      if (!mayPass(error)) this.#room.fail(list, error);
    } finally {
      watch.isLooking = false;
    }
  }

  #forget(list: string): void {
    this.#wakeups?.forget(list, this.#watches.get(list)!.told);
    this.#watches.delete(list);
    if (this.#watches.size > 0) return;
    clearInterval(this.#pulse);
    this.#pulse = undefined;
  }
}
