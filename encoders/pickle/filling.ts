/**
 * Batches in which Python's pickler adds items to a container.
 *
 * @module
 */

/** So many items, or entries, go into a container at once. */
export const BATCH_SIZE = 1_000;

/** State of a container that is being filled. */
export interface Filling {
  /** Number of items that make an entry; the first of them is a key, or in a set. */
  readonly width: number;
  readonly hasKeys: boolean;
  /** For one item, if there is an opcode for that. */
  readonly one?: number;
  readonly many: number;
  /** True if Python learns that there are no more items only from a batch that is not full. */
  readonly endsShort: boolean;
}

/** `APPEND` and `APPENDS`. */
export const LIST: Filling = { width: 1, hasKeys: false, one: 0x61, many: 0x65, endsShort: false };
/** `SETITEM` and `SETITEMS`. */
export const DICT: Filling = { width: 2, hasKeys: true, one: 0x73, many: 0x75, endsShort: true };
/** `ADDITEMS`. */
export const SET: Filling = { width: 1, hasKeys: true, many: 0x90, endsShort: true };

/** @returns How many batches so many entries make. */
export function countBatches({ endsShort }: Filling, entries: number): number {
  if (!endsShort || entries === 0) return Math.ceil(entries / BATCH_SIZE);
  return Math.floor(entries / BATCH_SIZE) + 1;
}
