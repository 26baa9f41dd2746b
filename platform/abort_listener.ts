/**
 * Listens to the abort signal of the current call. Successive calls usually pass the same signal;
 * subscribing again each time is expensive.
 */
export class AbortListener {
  readonly #aborted: () => void;
  #signal: AbortSignal | undefined;

  constructor(aborted: () => void) {
    this.#aborted = aborted;
  }

  /** True if the signal has aborted. */
  get isAborted(): boolean {
    return this.#signal?.aborted ?? false;
  }

  /** Listens to this signal instead of the last one; to none if it is `undefined`. */
  follow(signal: AbortSignal | undefined): void {
    if (signal === this.#signal) return;
    this.#signal?.removeEventListener("abort", this.#aborted);
    signal?.addEventListener("abort", this.#aborted);
    this.#signal = signal;
  }
}
