import { bigIntBytes, integerBytes } from "./integers.ts";
import type { PickleOutput } from "./output.ts";

const BININT = 0x4a;
const BININT1 = 0x4b;
const BININT2 = 0x4d;
const LONG1 = 0x8a;
const LONG4 = 0x8b;
const BINFLOAT = 0x47;

/** Writes a number: as an integer where it is sure to be one. */
export function writeNumber(output: PickleOutput, value: number): void {
  if (!Number.isSafeInteger(value) || Object.is(value, -0)) writeFloat(output, value);
  else if (value >= 0 && value <= 0xff) output.bytes(BININT1, value);
  else if (value >= 0 && value <= 0xffff) output.uint16(BININT2, value);
  else if (value === (value | 0)) output.uint32(BININT, value >>> 0);
  else writeLong(output, integerBytes(value));
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
