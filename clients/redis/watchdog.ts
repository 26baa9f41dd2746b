/** Milliseconds without an answer after which a connection counts as half-open. */
export const ANSWER_TIMEOUT = 3_000;
/** Milliseconds in which answers are read that lay there while the event loop stood still. */
export const SECOND_CHECK = 50;

/** Finds out that a server which was asked something does not answer any more. */
export class Watchdog {
  readonly #bark: () => void;
  readonly #timeout: number;
  /** Questions without an answer. */
  #open = 0;
  /** By `performance.now()`. */
  #heardAt = -Infinity;
  #answeredAt = -Infinity;
  #isSecondLook = false;
  #timer: ReturnType<typeof setTimeout> | undefined;

  /**
   * Makes one that has nothing to watch.
   *
   * @param bark What to do with a connection that is silent; again and again while it is.
   * @param timeout Milliseconds without an answer after which it is.
   */
  constructor(bark: () => void, timeout: number = ANSWER_TIMEOUT) {
    this.#bark = bark;
    this.#timeout = timeout;
  }

  /** When the server last did something that it was asked to do, by `performance.now()`. */
  get answeredAt(): number {
    return this.#answeredAt;
  }

  /** Since when an answer is expected, by `performance.now()`; `undefined` if none is. */
  get waitsSince(): number | undefined {
    return this.#open > 0 ? this.#heardAt : undefined;
  }

  /** Something was asked. */
  asked(): void {
    this.#open += 1;
    if (this.#open > 1) return;
    this.#heardAt = performance.now();
    if (this.#timer === undefined) this.#watch(this.#timeout);
  }

  /**
   * Something was answered, or there will be no answer.
   *
   * @param isDone Whether the server has done what it was asked to do.
   */
  answered(isDone = false): void {
    this.#open -= 1;
    this.#heardAt = performance.now();
    if (isDone) this.#answeredAt = this.#heardAt;
    this.#isSecondLook = false;
  }

  /** Watches no more. */
  stop(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  #watch(ms: number): void {
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      if (this.#open === 0) return;
      const left = this.#timeout - (performance.now() - this.#heardAt);
      if (left > 0) return this.#watch(left);
      if (!this.#isSecondLook) {
        this.#isSecondLook = true;
        return this.#watch(SECOND_CHECK);
      }
      this.#heardAt = performance.now();
      this.#isSecondLook = false;
      this.#watch(this.#timeout);
      this.#bark();
    }, ms);
  }
}
