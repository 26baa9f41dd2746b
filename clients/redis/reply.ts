import { Buffer } from "node:buffer";
import type { Encoded } from "../../encoders/encoder.ts";

/** Reply of Redis: texts come as bytes. */
export type RedisReply = Buffer | number | null | readonly RedisReply[];
/** Argument of a command. */
export type RedisArgument = string | number | Uint8Array;

/** Converts encoded text for the client: of bytes it takes a `Buffer` only. */
export function toArgument(encoded: Encoded): string | Buffer {
  if (typeof encoded === "string") return encoded;
  return Buffer.from(encoded.buffer, encoded.byteOffset, encoded.byteLength);
}

/** Pairs of a flat list, as texts. */
export function pairs(parts: readonly Buffer[]): [string, string][] {
  return Array.from(
    { length: parts.length / 2 },
    (_, i) => [String(parts[2 * i]), String(parts[2 * i + 1])],
  );
}
