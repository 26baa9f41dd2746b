import { type Clock, monotonicTime, type Timer } from "../platform/clock.ts";

/** Milliseconds in which hooks and acknowledgements may end after the actors were abandoned. */
const LAST_GRACE = 1_000;

/**
 * The time that a worker has to stop:
 *
 * set ─▶ deadline: actors are given up ─▶ last grace ─▶ whatever is left is not waited for
 */
export class StopDeadline {
  readonly #clock: Clock;
  readonly #giveUp: () => void;
  readonly #passed: PromiseWithResolvers<void> = Promise.withResolvers();
  #at = Infinity;
  #timer: Timer | undefined;

  constructor(clock: Clock, giveUp: () => void) {
    this.#clock = clock;
    this.#giveUp = giveUp;
  }

  /** Resolves when nothing is waited for any more. */
  get passed(): Promise<void> {
    return this.#passed.promise;
  }

  /** Sets the deadline; later calls can only bring it forward. */
  set(timeout: number): void {
    const at = monotonicTime(this.#clock) + timeout;
    if (at >= this.#at) return;
    this.#at = at;
    this.clear();
    this.#timer = this.#clock.setTimer(() => {
      this.#giveUp();
      this.#timer = this.#clock.setTimer(() => this.#passed.resolve(), LAST_GRACE);
    }, timeout);
  }

  /** Takes the timer back. */
  clear(): void {
    if (this.#timer !== undefined) this.#clock.clearTimer(this.#timer);
  }
}
