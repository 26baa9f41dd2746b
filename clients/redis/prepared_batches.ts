import type { Encoded } from "../../encoders/encoder.ts";
import { Batch, type Batcher } from "./batcher.ts";

/** Collects items in batches, and sends none before all of them were added. */
export class PreparedBatches {
  readonly #batcher: Batcher;
  readonly #batches: Batch[] = [];

  /**
   * Makes an empty collection.
   *
   * @param batcher Sends the batches.
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
    // At once, since packed texts take less memory.
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
