import type { Encoded } from "../../encoders/encoder.ts";
import { Batch, type Batcher } from "./batcher.ts";

/** Items that have been made, of which nothing is sent before all of them are. */
export class PreparedBatches {
  readonly #batcher: Batcher;
  readonly #batches: Batch[] = [];

  /**
   * Has nothing yet.
   *
   * @param batcher Sends them.
   */
  constructor(batcher: Batcher) {
    this.#batcher = batcher;
  }

  /**
   * Adds an item.
   *
   * @param args Its arguments.
   */
  add(args: readonly Encoded[]): void {
    let batch = this.#batches.at(-1);
    if (batch === undefined || !batch.hasRoomFor(args)) {
      this.#batches.push(batch = new Batch());
    }
    batch.add(args);
    // Now: a text takes less room among others.
    if (batch.isFull) batch.pack(this.#batcher.pack);
  }

  /**
   * Sends all items.
   *
   * @returns Resolves when the server has them.
   */
  send(): Promise<void> {
    return this.#batcher.addAll(this.#batches);
  }
}
