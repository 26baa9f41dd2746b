/**
 * Listens to the abort signal of the current call. Those of many calls after another are
 * mostly the same one, and to listen is dear.
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

  /** Listens to this signal only; to none, if that is `undefined`. */
  follow(signal: AbortSignal | undefined): void {
    if (signal === this.#signal) return;
    this.#signal?.removeEventListener("abort", this.#aborted);
    signal?.addEventListener("abort", this.#aborted);
    this.#signal = signal;
  }
}
