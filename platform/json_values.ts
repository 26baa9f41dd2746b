import { Buffer } from "node:buffer";

/**
 * Replacer for `JSON.stringify` that also writes what only pickles hold: large integers as text, maps
 * and sets as arrays, bytes in base64.
 */
export function replaceValue(_key: string, part: unknown): unknown {
  if (typeof part === "bigint") return String(part);
  if (part instanceof Map || part instanceof Set) return [...part];
  if (part instanceof Uint8Array) return Buffer.from(part).toString("base64");
  return part;
}

/**
 * True if a library has given all arrays or all objects a `toJSON`, as old versions of Prototype
 * do: `JSON.stringify` would then write something else than the value.
 */
export function isToJsonInherited(): boolean {
  return "toJSON" in Array.prototype; // which inherits from Object.prototype
}

/**
 * Writes a value of plain objects and arrays as `JSON.stringify` does, but whatever `toJSON` a
 * library has given all of them.
 */
export function stringify(value: unknown): string {
  return isToJsonInherited() ? JSON.stringify(value, itself) : JSON.stringify(value);
}

/** Replacer that returns what `toJSON` was called on. */
function itself(this: Record<string, unknown>, key: string): unknown {
  return this[key];
}
