import type { Clock, Timer } from "../platform/clock.ts";
import type { Encoded } from "../encoders/encoder.ts";
import { PollSchedule } from "./poll_schedule.ts";

/** Options of {@linkcode ResultWaiters}. */
export interface ResultWaitersOptions {
  /** Clock of timeouts and pauses. */
  readonly clock: Clock;
  /** Reads a key. */
  read(key: string): Promise<Encoded | undefined>;
  /** True if a later read may succeed, so that waiters go on waiting. */
  isTransient(error: unknown): boolean;
  /** Called when the first waiter arrives. */
  began(): void;
  /** Called when the last waiter has left. */
  ended(): void;
}

/** Options of {@linkcode ResultWaiters.wait}. */
export interface WaitOptions {
  /** Milliseconds. */
  readonly timeout: number;
  /** Ends the wait when it aborts. */
  readonly signal: AbortSignal | undefined;
}

/** One pending call of `wait`. */
interface Waiter {
  arrived(data: Encoded | undefined): void;
  failed(error: unknown): void;
}

/** A key with its waiters. */
interface WaitedKey {
  readonly key: string;
  readonly waiters: Set<Waiter>;
  isReading: boolean;
  /** True if the key may have changed since the pending read began. */
  isStale: boolean;
  /** Number of polls so far. */
  polls: number;
  /** Error of the last read; `undefined` if it succeeded. */
  failure: unknown;
}

/** Result of a wait. */
export interface Waited {
  /** Value of the key; `undefined` after the timeout. */
  readonly data: Encoded | undefined;
  /** Error of the last read of the key, if it failed. */
  readonly failure: unknown;
}

/**
 * Waiters for results of one backend. They share its connection, and one schedule for polling.
 *
 * A key is read when its first waiter arrives, and then
 * - each time it has changed, if the backend is notified of changes;
 * - otherwise at growing intervals, see {@linkcode PollSchedule}.
 *
 * A read that fails because the server is unavailable is repeated at these intervals.
 */
export class ResultWaiters {
  readonly #options: ResultWaitersOptions;
  readonly #entries: Map<string, WaitedKey> = new Map();
  readonly #schedule: PollSchedule;
  #isNotified = false;

  /**
   * Makes a collection without waiters.
   *
   * @param options How to read keys.
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
   * Waits until a key has a value.
   *
   * @param key The key.
   * @param options The timeout, and a signal.
   * @returns The value, or none after the timeout.
   * @throws The reason of the signal, if it aborts before.
   * @throws The error of a read that is not transient.
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

  /** Reads those of some keys that have waiters: they may have changed. */
  notify(keys: Iterable<string>): void {
    for (const key of keys) {
      const entry = this.#entries.get(key);
      if (entry !== undefined) this.#read(entry);
    }
  }

  /** Reads all keys that have waiters. */
  notifyAll(): void {
    for (const entry of this.#entries.values()) this.#read(entry);
  }

  /** Fails all waiters. */
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
        isReading: false,
        isStale: false,
        polls: 0,
        failure: undefined,
      };
      this.#entries.set(key, entry);
    }
    entry.waiters.add(waiter);
    entry.polls = 0;
    if (!entry.isReading) this.#read(entry);
    if (isFirst) this.#options.began();
  }

  #leave(key: string, waiter: Waiter): void {
    const entry = this.#entries.get(key);
    if (entry === undefined || !entry.waiters.delete(waiter) || entry.waiters.size > 0) return;
    this.#entries.delete(key);
    this.#schedule.remove(key);
    if (this.#entries.size === 0) this.#options.ended();
  }

  #read(entry: WaitedKey): void {
    if (entry.isReading) {
      entry.isStale = true;
      return;
    }
    entry.isReading = true;
    entry.isStale = false;
    this.#options.read(entry.key).then(
      (data) => this.#found(entry, data),
      (error) => this.#failed(entry, error),
    );
  }

  #found(entry: WaitedKey, data: Encoded | undefined): void {
    entry.isReading = false;
    entry.failure = undefined;
    if (data !== undefined) {
      for (const waiter of entry.waiters) waiter.arrived(data);
    } else if (entry.waiters.size > 0) {
      if (entry.isStale) this.#read(entry);
      else if (!this.#isNotified) this.#schedule.add(entry.key, entry.polls++);
    }
  }

  #failed(entry: WaitedKey, error: unknown): void {
    entry.isReading = false;
    entry.failure = error;
    if (!this.#options.isTransient(error)) {
      for (const waiter of entry.waiters) waiter.failed(error);
    } else if (entry.waiters.size > 0) {
      this.#schedule.add(entry.key, entry.polls++);
    }
  }
}
