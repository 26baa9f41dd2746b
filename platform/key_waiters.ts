import { type Clock, systemClock, type Timer } from "./clock.ts";

/** A pending {@linkcode KeyWaiters.wait}. */
interface Waiter {
  wake(): void;
  fail(error: unknown): void;
}

/** Pending waits by key. */
export class KeyWaiters {
  readonly #clock: Clock;
  readonly #onLastLeft: (key: string) => void;
  readonly #waiters: Map<string, Set<Waiter>> = new Map();

  /**
   * Starts without waiters.
   *
   * @param clock The clock of timeouts.
   * @param onLastLeft Called when the last waiter of a key is gone.
   */
  constructor(clock: Clock = systemClock, onLastLeft: (key: string) => void = () => {}) {
    this.#clock = clock;
    this.#onLastLeft = onLastLeft;
  }

  /** Keys with waiters. */
  get keys(): string[] {
    return [...this.#waiters.keys()];
  }

  /**
   * Waits to be woken.
   *
   * @param key The key to wait for.
   * @param timeout Milliseconds to wait at most.
   * @param signal Ends the wait when it aborts.
   * @returns Whether it was woken in time.
   * @throws The reason of the signal, if it aborts first.
   */
  wait(key: string, timeout: number, signal?: AbortSignal): Promise<boolean> {
    return new Promise((resolve, reject) => {
      if (signal?.aborted) return reject(signal.reason);
      const waiter: Waiter = {
        wake: () => (leave(), resolve(true)),
        fail: (error) => (leave(), reject(error)),
      };
      const onAbort = () => waiter.fail(signal!.reason);
      const timer: Timer = this.#clock.setTimer(() => (leave(), resolve(false)), timeout);
      const leave = () => {
        this.#clock.clearTimer(timer);
        signal?.removeEventListener("abort", onAbort);
        this.#remove(key, waiter);
      };
      signal?.addEventListener("abort", onAbort);
      this.#add(key, waiter);
    });
  }

  /** Wakes all waiters of a key. */
  wake(key: string): void {
    for (const waiter of [...this.#waiters.get(key) ?? []]) waiter.wake();
  }

  /** Fails all waiters of a key. */
  fail(key: string, error: unknown): void {
    for (const waiter of [...this.#waiters.get(key) ?? []]) waiter.fail(error);
  }

  /** Fails all waiters. */
  failAll(error: unknown): void {
    for (const key of this.keys) this.fail(key, error);
  }

  #add(key: string, waiter: Waiter): void {
    const waiters = this.#waiters.get(key);
    if (waiters === undefined) this.#waiters.set(key, new Set([waiter]));
    else waiters.add(waiter);
  }

  #remove(key: string, waiter: Waiter): void {
    const waiters = this.#waiters.get(key)!;
    waiters.delete(waiter);
    if (waiters.size > 0) return;
    this.#waiters.delete(key);
    this.#onLastLeft(key);
  }
}
