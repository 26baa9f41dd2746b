import process from "node:process";

/** Records SIGINT (Ctrl-C) and SIGTERM, so that a command can finish its current step first. */
export class Interruption {
  /** True after a signal. */
  isRequested = false;
  /** Resolves at the first signal. */
  readonly requested: Promise<void>;
  readonly #listener: () => void;

  /** Starts to listen. */
  constructor() {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.requested = promise;
    this.#listener = () => {
      this.isRequested = true;
      resolve();
    };
    process.on("SIGINT", this.#listener);
    process.on("SIGTERM", this.#listener);
  }

  /** Stops listening. */
  close(): void {
    process.off("SIGINT", this.#listener);
    process.off("SIGTERM", this.#listener);
  }
}
