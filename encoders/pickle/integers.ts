/**
 * Integers in two's complement, the lowest byte first, in as few bytes as will do.
 *
 * @module
 */
import { Buffer } from "node:buffer";

/** The most bytes of an integer that `Buffer` writes from a number. */
const MAX_NUMBER_BYTES = 6;

/** @returns The bytes of a safe integer. */
export function integerBytes(value: number): Uint8Array {
  let size = 1;
  while (
    size <= MAX_NUMBER_BYTES && (value >= 2 ** (8 * size - 1) || value < -(2 ** (8 * size - 1)))
  ) {
    size += 1;
  }
  if (size > MAX_NUMBER_BYTES) return bigIntBytes(BigInt(value));
  const bytes = Buffer.allocUnsafe(size);
  bytes.writeIntLE(value, 0, size);
  return bytes;
}

/** @returns The bytes of an integer of any size. */
export function bigIntBytes(value: bigint): Uint8Array {
  const isNegative = value < 0n;
  const hex = (isNegative ? ~value : value).toString(16);
  const firstBits = 32 - Math.clz32(parseInt(hex[0]!, 16));
  const size = Math.ceil((4 * (hex.length - 1) + firstBits + 1) / 8); // with a bit for the sign
  const bytes = Buffer.from(hex.padStart(2 * size, "0"), "hex").reverse();
  return isNegative ? bytes.map((byte) => ~byte) : bytes;
}
