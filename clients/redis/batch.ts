import type { Encoded } from "../../encoders/encoder.ts";
import { hasLargeArgument } from "./argument_limit.ts";

/**
 * The most items in one call: Redis stores them within a millisecond, and whatever else it
 * is asked for, a message that is due above all, waits no longer than that. Longer batches
 * are no cheaper, neither here nor there.
 */
const MAX_ITEMS = 250;
/** The most text in one call: a server reads a whole command before it runs it. */
const MAX_LENGTH = 8 * 1024 * 1024;

/** Makes of the arguments of many items those of one call. */
export type Pack = (args: readonly Encoded[]) => readonly Encoded[];

/** Items that travel together. */
export class Batch {
  /** Settles when the server has answered. */
  readonly sent: PromiseWithResolvers<void> = Promise.withResolvers();
  /** By `performance.now()`. */
  readonly begunAt: number = performance.now();
  #args: Encoded[] = [];
  #packed: readonly Encoded[] | undefined;
  #items = 0;
  #length = 0;
  /** True if it has an item that the server may reject: that is to fail without others. */
  #isAlone = false;

  /** Length of its text, in UTF-16 code units or bytes. */
  get length(): number {
    return this.#length;
  }

  /** True if nothing more may be added. */
  get isFull(): boolean {
    return this.#items >= MAX_ITEMS || this.#length >= MAX_LENGTH || this.#isAlone;
  }

  /** True if it is a single item that the server may reject. */
  get isAlone(): boolean {
    return this.#isAlone;
  }

  /**
   * True if an item may be added.
   *
   * @param args Its arguments.
   */
  hasRoomFor(args: readonly Encoded[]): boolean {
    return this.#items === 0 || (!this.isFull && !hasLargeArgument(args));
  }

  /**
   * Adds an item.
   *
   * @param args Its arguments.
   */
  add(args: readonly Encoded[]): void {
    for (const arg of args) {
      this.#args.push(arg);
      this.#length += arg.length;
    }
    // Others of a batch were looked at before.
    if (this.#items === 0) this.#isAlone = hasLargeArgument(args);
    this.#items += 1;
  }

  /**
   * Adds what is in another one, if there is room for all of it.
   *
   * @param other One that is not packed.
   * @returns Whether there was.
   */
  merge(other: Batch): boolean {
    if (this.#items + other.#items > MAX_ITEMS || this.#length + other.#length > MAX_LENGTH) {
      return false;
    }
    for (const arg of other.#args) this.#args.push(arg);
    this.#items += other.#items;
    this.#length += other.#length;
    return true;
  }

  /**
   * Packs what is in it, once; nothing can be added any more.
   *
   * @param pack Packs it.
   * @returns The arguments of the call.
   */
  pack(pack: Pack): readonly Encoded[] {
    if (this.#packed === undefined) {
      this.#packed = pack(this.#args);
      this.#args = [];
    }
    return this.#packed;
  }
}
