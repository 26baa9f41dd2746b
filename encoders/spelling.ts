/**
 * Original spelling of the numbers and keys of a decoded value.
 *
 * JavaScript cannot tell `1.0` from `1`, hold every integer, or keep the order of
 * keys that look like integers. A message that only passes through us must go
 * out as it came in, so the exact JSON parser notes beside each array or object
 * what its plain values would lose, and the writer takes it up again. A value
 * that was changed in between is written as it is now.
 *
 * @module
 */

/** Spelling of one array or object. */
export interface Spelling {
  /** Source text of numbers by index or key, with the value it stands for. */
  readonly numbers: Map<string | number, { readonly value: number; readonly text: string }>;
  /** Keys in their original order, where JavaScript has another one. */
  keys?: string[];
}

const spellings = /* @__PURE__ */ new WeakMap<object, Spelling>();
/** Most processes never note anything, and should not look things up for every value. */
let isAnyNoted = false;

/** @returns What was noted about the container, if anything. */
export function spellingOf(container: object): Spelling | undefined {
  return isAnyNoted ? spellings.get(container) : undefined;
}

/** Notes how the direct children of a container were written. */
export function noteSpelling(container: object, spelling: Spelling): void {
  isAnyNoted = true;
  spellings.set(container, spelling);
}

/**
 * Passes on what is known of a container to a copy that has the same children
 * under the same keys, and possibly more.
 *
 * @returns The copy.
 */
export function keepSpelling<T extends object>(original: object, copy: T): T {
  const spelling = spellingOf(original);
  if (spelling !== undefined) spellings.set(copy, spelling);
  return copy;
}

/** @returns The text a number came with, unless another value has taken its place since. */
export function originalText(
  spelling: Spelling,
  key: string | number,
  value: unknown,
): string | undefined {
  const original = spelling.numbers.get(key);
  return original !== undefined && Object.is(original.value, value) ? original.text : undefined;
}

/** @returns The keys of an object: those it came with in their order, then those added since. */
export function keysInOrder(object: object, spelling: Spelling | undefined): readonly string[] {
  const keys = Object.keys(object);
  if (spelling?.keys === undefined) return keys;
  const present = new Set(keys);
  const known = new Set(spelling.keys);
  return [
    ...spelling.keys.filter((key) => present.has(key)),
    ...keys.filter((key) => !known.has(key)),
  ];
}
