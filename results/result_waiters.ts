import type { Clock, Timer } from "../platform/clock.ts";
import type { Encoded } from "../encoders/encoder.ts";
import { PollSchedule } from "./poll_schedule.ts";

/** Options of {@linkcode ResultWaiters}. */
export interface ResultWaitersOptions {
  /** Clock of time-outs and pauses. */
  readonly clock: Clock;
  /** Looks whether something is there. */
  read(key: string): Promise<Encoded | undefined>;
  /** True if a look that failed may succeed later, so that it is worth waiting on. */
  isTransient(error: unknown): boolean;
  /** Called when somebody comes and nobody was there. */
  began(): void;
  /** Called when the last one has left. */
  ended(): void;
}

/** Time to wait. */
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
interface WaitedKey {
  readonly key: string;
  readonly waiters: Set<Waiter>;
  isLooking: boolean;
  /** True if something has happened since the look that is under way began. */
  isStale: boolean;
  /** Number of times it was looked at in vain. */
  looks: number;
  /** Why the last look at it failed; `undefined` if it did not. */
  failure: unknown;
}

/** Result of a wait. */
export interface Waited {
  /** Value of the key; `undefined` when the time is over. */
  readonly data: Encoded | undefined;
  /** Why the last look at this key failed, if it did. */
  readonly failure: unknown;
}

/**
 * Waiters for the results of one backend, however many they are, without a
 * connection or a loop of their own.
 *
 * Each key is looked at when the first one comes for it, and then
 * - where the backend is told of changes: whenever it is;
 * - where it is not: again and again, by {@linkcode PollSchedule}.
 *
 * A look that fails because the server is unavailable is repeated like one in vain.
 */
export class ResultWaiters {
  readonly #options: ResultWaitersOptions;
  readonly #entries: Map<string, WaitedKey> = new Map();
  readonly #schedule: PollSchedule;
  #isNotified = false;

  /**
   * Makes an empty one.
   *
   * @param options What it needs to know.
   */
  constructor(options: ResultWaitersOptions) {
    this.#options = options;
    this.#schedule = new PollSchedule(options.clock, (keys) => this.notify(keys));
  }

  /**
   * True if the backend will call {@linkcode ResultWaiters.notify} for each key that changes
   * after it was read. Setting it reads all keys once.
   */
  set isNotified(isNotified: boolean) {
    if (isNotified) this.#schedule.clear();
    const hasBegun = isNotified || this.#isNotified;
    this.#isNotified = isNotified;
    if (hasBegun) this.notifyAll();
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
          const failure = this.#entries.get(key)?.failure;
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
  notify(keys: Iterable<string>): void {
    for (const key of keys) {
      const entry = this.#entries.get(key);
      if (entry !== undefined) this.#look(entry);
    }
  }

  /** Looks at all keys for which somebody waits. */
  notifyAll(): void {
    for (const entry of this.#entries.values()) this.#look(entry);
  }

  /** Sends everybody away. */
  close(error: Error): void {
    for (const { waiters } of this.#entries.values()) {
      for (const waiter of waiters) waiter.failed(error);
    }
  }

  #enter(key: string, waiter: Waiter): void {
    const isFirst = this.#entries.size === 0;
    let entry = this.#entries.get(key);
    if (entry === undefined) {
      entry = {
        key,
        waiters: new Set(),
        isLooking: false,
        isStale: false,
        looks: 0,
        failure: undefined,
      };
      this.#entries.set(key, entry);
    }
    entry.waiters.add(waiter);
    entry.looks = 0;
    if (!entry.isLooking) this.#look(entry);
    if (isFirst) this.#options.began();
  }

  #leave(key: string, waiter: Waiter): void {
    const entry = this.#entries.get(key);
    if (entry === undefined || !entry.waiters.delete(waiter) || entry.waiters.size > 0) return;
    this.#entries.delete(key);
    this.#schedule.remove(key);
    if (this.#entries.size === 0) this.#options.ended();
  }

  #look(entry: WaitedKey): void {
    if (entry.isLooking) {
      entry.isStale = true;
      return;
    }
    entry.isLooking = true;
    entry.isStale = false;
    this.#options.read(entry.key).then(
      (data) => this.#found(entry, data),
      (error) => this.#failed(entry, error),
    );
  }

  #found(entry: WaitedKey, data: Encoded | undefined): void {
    entry.isLooking = false;
    entry.failure = undefined;
    if (data !== undefined) {
      for (const waiter of entry.waiters) waiter.arrived(data);
    } else if (entry.waiters.size > 0) {
      if (entry.isStale) this.#look(entry);
      else if (!this.#isNotified) this.#schedule.add(entry.key, entry.looks++);
    }
  }

  #failed(entry: WaitedKey, error: unknown): void {
    entry.isLooking = false;
    entry.failure = error;
    if (!this.#options.isTransient(error)) {
      for (const waiter of entry.waiters) waiter.failed(error);
    } else if (entry.waiters.size > 0) {
      this.#schedule.add(entry.key, entry.looks++);
    }
  }
}
