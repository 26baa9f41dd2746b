/**
 * Notes what JavaScript values cannot hold: that a number was a float, and the position of
 * a key. See `spelling.ts`.
 *
 * @module
 */
import { noteSpelling, type Spelling, spellingOf } from "../spelling.ts";

/** A float such as `1.0`, until its container notes that it was one. */
export class WholeFloat {
  readonly value: number;

  constructor(value: number) {
    this.value = value;
  }
}

/** @returns The value as actors get it. */
export function plain(value: unknown): unknown {
  return value instanceof WholeFloat ? value.value : value;
}

/** Notes at which place of a container a float stands. */
export function noteFloat(container: object, place: string | number, { value }: WholeFloat): void {
  spellingFor(container).numbers.set(place, { value, text: `${value}.0` });
}

/** Notes that an object has this key, the last of those that it has. */
export function noteKey(object: object, key: string): void {
  const spelling = spellingFor(object);
  spelling.keys ??= Object.keys(object);
  spelling.keys.push(key);
}

/** Sets an entry of a map, and notes its floats: entry n has its key at 2n, its value at 2n + 1. */
export function setInMap(map: Map<unknown, unknown>, key: unknown, value: unknown): void {
  const plainKey = plain(key);
  if (!map.has(plainKey)) {
    if (key instanceof WholeFloat) noteFloat(map, 2 * map.size, key);
    if (value instanceof WholeFloat) noteFloat(map, 2 * map.size + 1, value);
  }
  map.set(plainKey, plain(value));
}

function spellingFor(container: object): Spelling {
  let spelling = spellingOf(container);
  if (spelling === undefined) noteSpelling(container, spelling = { numbers: new Map() });
  return spelling;
}
