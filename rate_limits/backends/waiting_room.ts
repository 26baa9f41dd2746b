import { type Clock, systemClock, type Timer } from "../../core/clock.ts";

/** Somebody who waits for a key. */
interface Guest {
  wake(): void;
  fail(error: unknown): void;
}

/** Where those wait who are to be woken by key. */
export class WaitingRoom {
  readonly #clock: Clock;
  readonly #onLastLeft: (key: string) => void;
  readonly #guests: Map<string, Set<Guest>> = new Map();

  /**
   * Makes an empty one.
   *
   * @param clock What timeouts go by.
   * @param onLastLeft Hears that nobody waits for a key any more.
   */
  constructor(clock: Clock = systemClock, onLastLeft: (key: string) => void = () => {}) {
    this.#clock = clock;
    this.#onLastLeft = onLastLeft;
  }

  /** What is waited for. */
  get keys(): string[] {
    return [...this.#guests.keys()];
  }

  /**
   * Waits to be woken.
   *
   * @param key What to wait for.
   * @param timeout Milliseconds to wait at most.
   * @param signal Ends the wait when it aborts.
   * @returns Whether it was woken in time.
   * @throws The reason of the signal, if that aborts before.
   */
  wait(key: string, timeout: number, signal?: AbortSignal): Promise<boolean> {
    return new Promise((resolve, reject) => {
      if (signal?.aborted) return reject(signal.reason);
      const guest: Guest = {
        wake: () => (leave(), resolve(true)),
        fail: (error) => (leave(), reject(error)),
      };
      const onAbort = () => guest.fail(signal!.reason);
      const timer: Timer = this.#clock.setTimer(() => (leave(), resolve(false)), timeout);
      const leave = () => {
        this.#clock.clearTimer(timer);
        signal?.removeEventListener("abort", onAbort);
        this.#remove(key, guest);
      };
      signal?.addEventListener("abort", onAbort);
      this.#add(key, guest);
    });
  }

  /** Wakes all who wait for a key. */
  wake(key: string): void {
    for (const guest of [...this.#guests.get(key) ?? []]) guest.wake();
  }

  /** Fails all who wait for a key. */
  fail(key: string, error: unknown): void {
    for (const guest of [...this.#guests.get(key) ?? []]) guest.fail(error);
  }

  /** Fails all who wait for anything. */
  failAll(error: unknown): void {
    for (const key of this.keys) this.fail(key, error);
  }

  #add(key: string, guest: Guest): void {
    const guests = this.#guests.get(key);
    if (guests === undefined) this.#guests.set(key, new Set([guest]));
    else guests.add(guest);
  }

  #remove(key: string, guest: Guest): void {
    const guests = this.#guests.get(key)!;
    guests.delete(guest);
    if (guests.size > 0) return;
    this.#guests.delete(key);
    this.#onLastLeft(key);
  }
}
