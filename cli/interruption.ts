import process from "node:process";

/** Records SIGINT (Ctrl-C) and SIGTERM, so that a command can finish its current step first. */
export class Interruption {
  /** True after a signal. */
  isAsked = false;
  /** Resolves at the first signal. */
  readonly asked: Promise<void>;
  readonly #listener: () => void;

  /** Starts to listen. */
  constructor() {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.asked = promise;
    this.#listener = () => {
      this.isAsked = true;
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
