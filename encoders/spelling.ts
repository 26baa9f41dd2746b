/**
 * Original spelling of the numbers and keys of a decoded value.
 *
 * JavaScript cannot tell `1.0` from `1`, hold every integer, or keep the order of
 * keys that look like integers. A message that only passes through must be
 * written as it was read. For each array or object, the exact JSON parser notes
 * what plain values would lose, and the writer uses these notes. A value that was
 * changed in between is written as it is now.
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
/** False in most processes, which then need no lookup for each value. */
let isAnyNoted = false;

/** @returns The notes about a container, if there are any. */
export function spellingOf(container: object): Spelling | undefined {
  return isAnyNoted ? spellings.get(container) : undefined;
}

/** Notes how the direct children of a container were written. */
export function noteSpelling(container: object, spelling: Spelling): void {
  isAnyNoted = true;
  spellings.set(container, spelling);
}

/**
 * Copies the notes about a container to a copy of it, which may have more children.
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
