import { type Clock, monotonicTime } from "../platform/clock.ts";

/**
 * The time of a control store, as far as its answers tell: between sending a command and its
 * answer it was what the answer says. A process that was suspended meanwhile learns little from an
 * answer, and keeps what it knew.
 */
export class StoreClock {
  readonly #clock: Clock;
  /** The time of the store less monotonic time. */
  #offset: number | undefined;

  /** @param clock The time of this process. */
  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Milliseconds since the epoch. */
  get now(): number {
    const { now } = this.#clock;
    return this.#offset === undefined
      ? now.call(this.#clock)
      : this.#offset + monotonicTime(this.#clock);
  }

  /**
   * Asks the store, and learns its time.
   *
   * @param ask Sends a command.
   * @returns The answer.
   */
  async ask<T extends { readonly now: number }>(ask: () => Promise<T>): Promise<T> {
    const sentAt = monotonicTime(this.#clock);
    const answer = await ask();
    const [least, most] = [answer.now - monotonicTime(this.#clock), answer.now - sentAt];
    this.#offset = Math.min(Math.max(this.#offset ?? least, least), most);
    return answer;
  }
}
