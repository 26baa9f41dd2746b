import type { Outage } from "../../platform/outage.ts";

/**
 * An outage while the client is connected: one node of a cluster is unavailable, and only commands to
 * that node fail. It ends when a command for the same key succeeds; other keys may be on other nodes.
 */
export class CommandOutage {
  readonly #outage: Outage;
  #key: string | undefined;

  /**
   * Begins without an outage.
   *
   * @param outage Outage log, shared with lost connections.
   */
  constructor(outage: Outage) {
    this.#outage = outage;
  }

  /** Key of the last command that failed, until one for the same key succeeds. */
  get key(): string | undefined {
    return this.#key;
  }

  /** Notes that a command has failed with a transient error. */
  failed(key: string | undefined, { cause, message }: Error): void {
    this.#key = key;
    this.#outage.lost(this, cause ?? new Error(message));
  }

  /** Notes that a command has succeeded. */
  done(key: string | undefined): void {
    if (key !== this.#key) return;
    this.#key = undefined;
    this.#outage.back(this);
  }
}
