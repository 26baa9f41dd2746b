import { Buffer } from "node:buffer";
import type { Encoded } from "../../encoders/encoder.ts";

/** What Redis answers: texts come as bytes. */
export type RedisReply = Buffer | number | null | readonly RedisReply[];
/** What a command takes. */
export type RedisArgument = string | number | Uint8Array;

/** What an encoder made, as the client takes it: of bytes it takes a `Buffer` only. */
export function toArgument(encoded: Encoded): string | Buffer {
  if (typeof encoded === "string") return encoded;
  return Buffer.from(encoded.buffer, encoded.byteOffset, encoded.byteLength);
}
