/** The publisher of a {@linkcode PublishTimeout}. */
export interface TimedPublisher {
  /** True if messages wait, or are unconfirmed. */
  readonly isBusy: boolean;
  /** True if the connection is up. Outages have a timeout of their own. */
  readonly isUp: boolean;
  /** A number that changes with each confirmation. */
  readonly progress: number | undefined;
  /** When the oldest message was added, by `performance.now()`. */
  readonly oldest: number;
  /** Fails messages that were added by then. */
  giveUp(addedBefore: number): void;
}

/**
 * Fails messages if the server confirms nothing at all: each at its own time, between once and twice the
 * limit after the last confirmation.
 */
export class PublishTimeout {
  readonly #publisher: TimedPublisher;
  readonly #limit: number;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #progress: number | undefined;
  /** Time of the last confirmation or reply, by `performance.now()`. */
  #heardAt = 0;

  /**
   * Watches nothing yet.
   *
   * @param publisher The publisher.
   * @param limit Milliseconds without a confirmation.
   */
  constructor(publisher: TimedPublisher, limit: number) {
    this.#publisher = publisher;
    this.#limit = limit;
  }

  /** Watches until no message is unconfirmed. Cheap if it does so already. */
  start(): void {
    if (this.#timer !== undefined) return;
    this.heard();
    this.#progress = this.#publisher.progress;
    this.#watchFor(this.#limit);
  }

  /** Notes a reply of the server. */
  heard(): void {
    this.#heardAt = performance.now();
  }

  /** Stops watching. */
  stop(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  #watchFor(ms: number): void {
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      if (this.#publisher.isBusy) this.#check();
      if (!this.#publisher.isBusy || this.#timer !== undefined) return;
      const since = Math.max(this.#publisher.oldest, this.#heardAt);
      this.#watchFor(Math.max(1, since + this.#limit - performance.now()));
    }, ms);
  }

  #check(): void {
    const { isUp, progress } = this.#publisher;
    if (!isUp || progress !== this.#progress) {
      this.#progress = progress;
      return this.heard();
    }
    const latest = performance.now() - this.#limit;
    if (this.#heardAt <= latest) this.#publisher.giveUp(latest);
  }
}
