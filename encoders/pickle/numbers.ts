import { Buffer } from "node:buffer";
import type { PickleOutput } from "./output.ts";

const BININT = 0x4a;
const BININT1 = 0x4b;
const LONG1 = 0x8a;
const LONG4 = 0x8b;
const BINFLOAT = 0x47;

/** Writes a number: as an integer if it is certainly one. */
export function writeNumber(output: PickleOutput, value: number): void {
  if (!Number.isSafeInteger(value) || Object.is(value, -0)) writeFloat(output, value);
  else if (value >= 0 && value <= 0xff) output.bytes(BININT1, value);
  else if (value === (value | 0)) output.uint32(BININT, value >>> 0);
  else {
    const bytes = Buffer.allocUnsafe(8);
    bytes.writeBigInt64LE(BigInt(value));
    writeLong(output, bytes);
  }
}

/** Writes a number as a float. */
export function writeFloat(output: PickleOutput, value: number): void {
  output.float64(BINFLOAT, value);
}

/** Writes an integer of any size. */
export function writeBigInt(output: PickleOutput, value: bigint): void {
  if (BigInt.asIntN(53, value) === value) writeNumber(output, Number(value));
  else writeLong(output, bigIntBytes(value));
}

function writeLong(output: PickleOutput, bytes: Uint8Array): void {
  if (bytes.length <= 0xff) output.bytes(LONG1, bytes.length);
  else output.uint32(LONG4, bytes.length);
  output.raw(bytes);
}

/** Bytes of an integer in two's complement, the lowest byte first, in as few bytes as possible. */
function bigIntBytes(value: bigint): Uint8Array {
  const isNegative = value < 0n;
  const hex = (isNegative ? ~value : value).toString(16);
  const firstBits = 32 - Math.clz32(parseInt(hex[0]!, 16));
  const size = Math.ceil((4 * (hex.length - 1) + firstBits + 1) / 8); // with a bit for the sign
  const bytes = Buffer.from(hex.padStart(2 * size, "0"), "hex").reverse();
  return isNegative ? bytes.map((byte) => ~byte) : bytes;
}
