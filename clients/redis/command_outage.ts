import type { Outage } from "../../platform/outage.ts";

/**
 * An outage that only commands notice: their node of a cluster is unavailable, while the client is
 * connected to others. It is over when a command for the same key is done, since other keys may
 * lie on nodes that are well.
 */
export class CommandOutage {
  readonly #outage: Outage;
  #key: string | undefined;

  /**
   * Notes none yet.
   *
   * @param outage Where it is noted, together with lost connections.
   */
  constructor(outage: Outage) {
    this.#outage = outage;
  }

  /** The key of the command that failed last, until one for it is done. */
  get key(): string | undefined {
    return this.#key;
  }

  /** A command has failed with an error of an outage. */
  failed(key: string | undefined, { cause, message }: Error): void {
    this.#key = key;
    this.#outage.lost(this, cause ?? new Error(message));
  }

  /** A command was done. */
  done(key: string | undefined): void {
    if (key !== this.#key) return;
    this.#key = undefined;
    this.#outage.back(this);
  }
}
