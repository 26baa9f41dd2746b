import { type Clock, monotonicTime } from "../platform/clock.ts";

/**
 * Estimates the clock of a control store. Each reply contains the time of the store at some moment
 * between sending the command and receiving the reply, which bounds the offset. A slow reply gives
 * wide bounds and changes little.
 */
export class StoreClock {
  readonly #clock: Clock;
  /** The time of the store minus monotonic time. */
  #offset: number | undefined;

  /** @param clock The clock of this process. */
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
   * Sends a command to the store, and updates the estimate from the reply.
   *
   * @param ask Sends the command.
   * @returns The reply.
   */
  async ask<T extends { readonly now: number }>(ask: () => Promise<T>): Promise<T> {
    const sentAt = monotonicTime(this.#clock);
    const answer = await ask();
    const [least, most] = [answer.now - monotonicTime(this.#clock), answer.now - sentAt];
    this.#offset = Math.min(Math.max(this.#offset ?? least, least), most);
    return answer;
  }
}
