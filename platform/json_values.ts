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
