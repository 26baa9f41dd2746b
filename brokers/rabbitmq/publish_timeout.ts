/** Publisher, as a {@linkcode PublishTimeout} sees it. */
export interface TimedPublisher {
  /** True if messages wait or are under way. */
  readonly isBusy: boolean;
  /** True if the server is there; one that is unavailable is waited for elsewhere. */
  readonly isUp: boolean;
  /** A number that changes with everything the server confirms. */
  readonly progress: number | undefined;
  /** When the first message was added, by `performance.now()`. */
  readonly oldest: number;
  /** Gives up what was added by then. */
  giveUp(addedBefore: number): void;
}

/**
 * Gives messages up that a server which confirms nothing at all has had for too long: each at
 * its own time, between once and twice the limit after the last confirmation.
 */
export class PublishTimeout {
  readonly #publisher: TimedPublisher;
  readonly #limit: number;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #progress: number | undefined;
  /** When the server was last known to do something, by `performance.now()`. */
  #heardAt = 0;

  /**
   * Stores what to watch.
   *
   * @param publisher What is watched.
   * @param limit Milliseconds.
   */
  constructor(publisher: TimedPublisher, limit: number) {
    this.#publisher = publisher;
    this.#limit = limit;
  }

  /** Watches until nothing is under way. Cheap when it does so already. */
  start(): void {
    if (this.#timer !== undefined) return;
    this.heard();
    this.#progress = this.#publisher.progress;
    this.#watchFor(this.#limit);
  }

  /** Notes that the server has done something. */
  heard(): void {
    this.#heardAt = performance.now();
  }

  /** Watches no more. */
  stop(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  #watchFor(ms: number): void {
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      if (this.#publisher.isBusy) this.#look();
      if (!this.#publisher.isBusy || this.#timer !== undefined) return;
      const since = Math.max(this.#publisher.oldest, this.#heardAt);
      this.#watchFor(Math.max(1, since + this.#limit - performance.now()));
    }, ms);
  }

  #look(): void {
    const { isUp, progress } = this.#publisher;
    if (!isUp || progress !== this.#progress) {
      this.#progress = progress;
      return this.heard();
    }
    const latest = performance.now() - this.#limit;
    if (this.#heardAt <= latest) this.#publisher.giveUp(latest);
  }
}
