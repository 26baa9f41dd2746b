import { errorMessage } from "../../platform/thrown.ts";
import { type Client, onSevered } from "./client.ts";

/** Error text of a cluster client for a command that was cut off, and of one it never wrote. */
const CLOSED = "Connection is closed.";

/** Connections to nodes of a cluster that were lost after commands may have gone through them. */
export class SeveredNodes {
  #count = 0;

  /** Number of losses so far. */
  get count(): number {
    return this.#count;
  }

  /** Counts those of a client. */
  watch(client: Client): void {
    onSevered(client, () => this.#count++);
  }

  /**
   * True if a command was written to no node, though it failed as if it was cut off.
   *
   * @param error What it failed with.
   * @param before How many connections had been lost before.
   */
  isUnwritten(error: unknown, before: number | undefined): boolean {
    return this.#count === before && errorMessage(error) === CLOSED;
  }
}
