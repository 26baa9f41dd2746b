import { errorMessage } from "../../platform/thrown.ts";
import { type Client, onSevered } from "./client.ts";

/** Error text of a cluster client for a command that was cut off, and also for one that it never wrote. */
const CLOSED = "Connection is closed.";

/** Counts lost connections to nodes of a cluster, to which commands may have been written. */
export class SeveredNodes {
  #count = 0;

  /** Number of lost connections. */
  get count(): number {
    return this.#count;
  }

  /** Counts the lost connections of a client. */
  watch(client: Client): void {
    onSevered(client, () => this.#count++);
  }

  /**
   * True if a command was not written to any node, though its error looks as if it was cut off.
   *
   * @param error Its error.
   * @param before Count of lost connections before the command.
   */
  isUnwritten(error: unknown, before: number | undefined): boolean {
    return this.#count === before && errorMessage(error) === CLOSED;
  }
}
