import { errorMessage } from "../../platform/thrown.ts";
import { type Client, onSevered } from "./client.ts";

/** What the client of a cluster says of a command that was cut off, and of one it never wrote. */
const CLOSED = "Connection is closed.";

/** Connections to nodes of a cluster that were lost after commands may have gone through them. */
export class SeveredNodes {
  #count = 0;

  /** How many there were so far. */
  get count(): number {
    return this.#count;
  }

  /** Counts those of a client. */
  watch(client: Client): void {
    onSevered(client, () => this.#count++);
  }

  /**
   * Whether a command was written to no node, though it failed as if it was cut off.
   *
   * @param error What it failed with.
   * @param before How many connections had been lost before.
   */
  isUnwritten(error: unknown, before: number | undefined): boolean {
    return this.#count === before && errorMessage(error) === CLOSED;
  }
}
