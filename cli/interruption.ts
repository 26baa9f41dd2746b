import process from "node:process";

/** Records that Ctrl-C was pressed: the current step is finished first. */
export class Interruption {
  /** True once it was pressed. */
  isAsked = false;
  /** Resolves then. */
  readonly asked: Promise<void>;
  readonly #listener: () => void;

  /** Begins to listen. */
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

  /** Listens no more. */
  forget(): void {
    process.off("SIGINT", this.#listener);
    process.off("SIGTERM", this.#listener);
  }
}
