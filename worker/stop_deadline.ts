import { type Clock, monotonicTime, type Timer } from "../platform/clock.ts";

/** Milliseconds that hooks and acknowledgements get after the actors were abandoned. */
const LAST_GRACE = 1_000;

/**
 * Deadline of a worker that stops:
 *
 * set ─▶ deadline: actors are abandoned ─▶ last grace ─▶ passed: nothing is awaited any more
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

  /** Resolves when the last grace is over. */
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

  /** Clears the timer. */
  clear(): void {
    if (this.#timer !== undefined) this.#clock.clearTimer(this.#timer);
  }
}
