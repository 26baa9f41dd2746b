import type { Clock, Timer } from "../core/clock.ts";
import type { Encoded } from "../core/encoder.ts";
import { LookSchedule } from "./look_schedule.ts";

/** What a {@linkcode WaitingRoom} needs to know. */
export interface WaitingRoomOptions {
  /** What timeouts and pauses go by. */
  readonly clock: Clock;
  /** Looks whether something is there. */
  read(key: string): Promise<Encoded | undefined>;
  /** Whether a look that failed may succeed later, so that it is worth waiting on. */
  mayPass(error: unknown): boolean;
  /** Called when somebody comes and nobody was there. */
  began(): void;
  /** Called when the last one has left. */
  ended(): void;
}

/** How long to wait. */
export interface WaitOptions {
  /** Milliseconds. */
  readonly timeout: number;
  /** Ends the wait when it aborts. */
  readonly signal: AbortSignal | undefined;
}

/** One who waits. */
interface Waiter {
  arrived(data: Encoded | undefined): void;
  failed(error: unknown): void;
}

/** A key and all who wait for it. */
interface Place {
  readonly key: string;
  readonly waiters: Set<Waiter>;
  isLooking: boolean;
  /** Whether something has happened since the look that is under way began. */
  isStale: boolean;
  /** How often it was looked at in vain. */
  looks: number;
  /** Why the last look at it failed; `undefined` if it did not. */
  failure: unknown;
}

/** What came of a wait. */
export interface Waited {
  /** What stands under the key; `undefined` when the time is over. */
  readonly data: Encoded | undefined;
  /** Why the last look at this key failed, if it did. */
  readonly failure: unknown;
}

/**
 * Where all who wait for results of one backend wait, however many they are, without a
 * connection or a loop of their own.
 *
 * Each key is looked at when the first one comes for it, and then
 * - where the backend is told of changes: whenever it is;
 * - where it is not: again and again, by {@linkcode LookSchedule}.
 *
 * A look that fails because the server is away is repeated like one in vain.
 */
export class WaitingRoom {
  readonly #options: WaitingRoomOptions;
  readonly #places: Map<string, Place> = new Map();
  readonly #schedule: LookSchedule;
  #isTold = false;

  /**
   * Makes an empty one.
   *
   * @param options What it needs to know.
   */
  constructor(options: WaitingRoomOptions) {
    this.#options = options;
    this.#schedule = new LookSchedule(options.clock, (keys) => this.tell(keys));
  }

  /**
   * Whether the backend will call {@linkcode WaitingRoom.tell} for each key that is changed
   * after a look at it. Looks at all when that begins.
   */
  set isTold(isTold: boolean) {
    if (isTold) this.#schedule.clear();
    const hasBegun = isTold || this.#isTold;
    this.#isTold = isTold;
    if (hasBegun) this.tellAll();
  }

  /**
   * Waits until something stands under a key.
   *
   * @param key The key.
   * @param options How long to wait.
   * @returns What stands there, or that the time is over.
   * @throws The reason of the signal, if that aborts before.
   * @throws What keeps the key from being read for good.
   */
  wait(key: string, { timeout, signal }: WaitOptions): Promise<Waited> {
    signal?.throwIfAborted();
    const { clock } = this.#options;
    return new Promise((resolve, reject) => {
      let timer: Timer | undefined = undefined;
      const leave = () => {
        clock.clearTimer(timer);
        signal?.removeEventListener("abort", aborted);
        this.#leave(key, waiter);
      };
      const waiter: Waiter = {
        arrived: (data) => {
          const failure = this.#places.get(key)?.failure;
          leave();
          resolve({ data, failure });
        },
        failed: (error) => {
          leave();
          reject(error);
        },
      };
      const aborted = () => waiter.failed(signal!.reason);
      signal?.addEventListener("abort", aborted);
      timer = clock.setTimer(() => waiter.arrived(undefined), timeout);
      this.#enter(key, waiter);
    });
  }

  /** Looks at keys that may have changed. Those for which nobody waits do not matter. */
  tell(keys: Iterable<string>): void {
    for (const key of keys) {
      const place = this.#places.get(key);
      if (place !== undefined) this.#look(place);
    }
  }

  /** Looks at all keys for which somebody waits. */
  tellAll(): void {
    for (const place of this.#places.values()) this.#look(place);
  }

  /** Sends everybody away. */
  close(error: Error): void {
    for (const { waiters } of this.#places.values()) {
      for (const waiter of waiters) waiter.failed(error);
    }
  }

  #enter(key: string, waiter: Waiter): void {
    const isFirst = this.#places.size === 0;
    let place = this.#places.get(key);
    if (place === undefined) {
      place = {
        key,
        waiters: new Set(),
        isLooking: false,
        isStale: false,
        looks: 0,
        failure: undefined,
      };
      this.#places.set(key, place);
    }
    place.waiters.add(waiter);
    place.looks = 0;
    if (!place.isLooking) this.#look(place);
    if (isFirst) this.#options.began();
  }

  #leave(key: string, waiter: Waiter): void {
    const place = this.#places.get(key);
    if (place === undefined || !place.waiters.delete(waiter) || place.waiters.size > 0) return;
    this.#places.delete(key);
    this.#schedule.remove(key);
    if (this.#places.size === 0) this.#options.ended();
  }

  #look(place: Place): void {
    if (place.isLooking) {
      place.isStale = true;
      return;
    }
    place.isLooking = true;
    place.isStale = false;
    this.#options.read(place.key).then(
      (data) => this.#found(place, data),
      (error) => this.#failed(place, error),
    );
  }

  #found(place: Place, data: Encoded | undefined): void {
    place.isLooking = false;
    place.failure = undefined;
    if (data !== undefined) {
      for (const waiter of place.waiters) waiter.arrived(data);
    } else if (place.waiters.size > 0) {
      if (place.isStale) this.#look(place);
      else if (!this.#isTold) this.#schedule.add(place.key, place.looks++);
    }
  }

  #failed(place: Place, error: unknown): void {
    place.isLooking = false;
    place.failure = error;
    if (!this.#options.mayPass(error)) {
      for (const waiter of place.waiters) waiter.failed(error);
    } else if (place.waiters.size > 0) {
      this.#schedule.add(place.key, place.looks++);
    }
  }
}
