import { Buffer } from "node:buffer";
import type { Encoded } from "../../encoders/encoder.ts";

/** Reply of Redis: texts come as bytes. */
export type RedisReply = Buffer | number | null | readonly RedisReply[];
/** Argument of a command. */
export type RedisArgument = string | number | Uint8Array;

/** Converts an encoded message for the client, which accepts bytes only as a `Buffer`. */
export function toArgument(encoded: Encoded): string | Buffer {
  if (typeof encoded === "string") return encoded;
  return Buffer.from(encoded.buffer, encoded.byteOffset, encoded.byteLength);
}

/** Converts a flat list to pairs of strings. */
export function pairs(parts: readonly Buffer[]): [string, string][] {
  return Array.from(
    { length: parts.length / 2 },
    (_, i) => [String(parts[2 * i]), String(parts[2 * i + 1])],
  );
}
