import { Buffer } from "node:buffer";
import { decodeSurrogates } from "./surrogates.ts";

/** Thrown for bytes that are not a readable pickle; `PickleEncoder` turns it into a `DecodeError`. */
export class PickleError extends Error {}

/** Longest integer in bytes: printing a longer one takes a runtime minutes. */
const MAX_INTEGER_BYTES = 65_536;
/** Python's own limit for integers that are written in digits. */
const MAX_INTEGER_DIGITS = 4_300;
/** The most bytes of an integer that `Buffer` reads as a number. */
const MAX_NUMBER_BYTES = 6;

const INTEGER = /^[+-]?\d+$/;
const FLOAT = /^[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?$/;
const FLOAT_NAMES: ReadonlyMap<string, number> = /* @__PURE__ */ new Map([
  ["nan", NaN],
  ["-nan", NaN],
  ["inf", Infinity],
  ["-inf", -Infinity],
]);

/**
 * Reads the arguments of opcodes, one after the other. It compares a length with
 * the remaining bytes before it allocates anything of that length.
 */
export class PickleReader {
  readonly #bytes: Buffer;
  #at = 0;

  constructor(data: Uint8Array) {
    this.#bytes = Buffer.from(data.buffer, data.byteOffset, data.byteLength);
  }

  /** Number of bytes in all. */
  get length(): number {
    return this.#bytes.length;
  }

  /** Number of bytes that have been read. */
  get position(): number {
    return this.#at;
  }

  /** Reads a byte. */
  uint8(): number {
    if (this.#at >= this.#bytes.length) this.#take(1);
    return this.#bytes[this.#at++]!;
  }

  /** Reads two bytes, the lower one first, as everywhere but in floats. */
  uint16(): number {
    return this.#bytes.readUInt16LE(this.#take(2));
  }

  /** Reads four bytes. */
  uint32(): number {
    return this.#bytes.readUInt32LE(this.#take(4));
  }

  /** Reads four bytes with a sign. */
  int32(): number {
    return this.#bytes.readInt32LE(this.#take(4));
  }

  /** Reads eight bytes; a length beyond 2 ** 53 is only about right, and too long in any case. */
  uint64(): number {
    const low = this.uint32();
    return low + this.uint32() * 2 ** 32;
  }

  /** Reads a float of eight bytes. */
  float64(): number {
    return this.#bytes.readDoubleBE(this.#take(8));
  }

  /** Reads bytes into an array of their own. */
  bytes(length: number): Uint8Array {
    const start = this.#take(length);
    return new Uint8Array(this.#bytes.subarray(start, start + length));
  }

  /** Reads a text in UTF-8, in which Python also writes halves of surrogate pairs. */
  text(length: number): string {
    const start = this.#take(length);
    const text = this.#bytes.toString("utf8", start, start + length);
    if (!text.includes("\ufffd")) return text;
    const exact = decodeSurrogates(this.#bytes.subarray(start, start + length));
    if (exact === undefined) throw new PickleError("a text is not UTF-8");
    return exact;
  }

  /** Reads a text that Python 2 wrote as bytes. */
  asciiText(length: number): string {
    const start = this.#take(length);
    return asAscii(this.#bytes.toString("latin1", start, start + length));
  }

  /** Reads an integer in two's complement: a `BigInt` where a number would lose. */
  integer(length: number): number | bigint {
    if (length > MAX_INTEGER_BYTES) {
      throw new PickleError(`an integer has ${length} bytes, more than ${MAX_INTEGER_BYTES}`);
    }
    if (length === 0) return 0;
    const start = this.#take(length);
    if (length <= MAX_NUMBER_BYTES) return this.#bytes.readIntLE(start, length);
    const hex = this.#bytes.subarray(start, start + length).toReversed();
    return toNumber(BigInt.asIntN(8 * length, BigInt(`0x${Buffer.from(hex).toString("hex")}`)));
  }

  /** Reads up to the end of the line, as bytes that stand for characters. */
  line(): string {
    const end = this.#bytes.indexOf(0x0a, this.#at);
    if (end === -1) throw new PickleError("it ends in the middle of a line");
    const line = this.#bytes.toString("latin1", this.#at, end);
    this.#at = end + 1;
    return line;
  }

  /** Reads an integer in digits. */
  integerLine(): number | bigint {
    return parseInteger(this.line().replace(/L$/, ""));
  }

  /** Reads an integer in digits, or `True` and `False` as the protocols 0 and 1 write them. */
  intLine(): number | bigint | boolean {
    const line = this.line();
    return line === "00" || line === "01" ? line === "01" : parseInteger(line);
  }

  /** Reads a float in digits. */
  floatLine(): number {
    const line = this.line();
    const named = FLOAT_NAMES.get(line);
    if (named === undefined && !FLOAT.test(line)) {
      throw new PickleError(`${quote(line)} is not a float`);
    }
    return named ?? Number(line);
  }

  /** Reads a text of protocol 0: Latin-1, with `\uXXXX` for the rest. */
  unicodeLine(): string {
    return this.line().replace(
      /\\(?:u([\da-fA-F]{4})|U([\da-fA-F]{8})|[^])/g,
      (found, short?: string, long?: string) => {
        if (short !== undefined) return String.fromCharCode(parseInt(short, 16));
        if (long !== undefined) return fromCodePoint(parseInt(long, 16));
        if (found[1] === "u" || found[1] === "U") throw new PickleError("an escape is cut off");
        return found;
      },
    );
  }

  /** Reads a text of Python 2 in quotes. */
  quotedLine(): string {
    const line = this.line();
    const [quotes] = line;
    if (line.length < 2 || (quotes !== "'" && quotes !== '"') || !line.endsWith(quotes)) {
      throw new PickleError("a text has no quotes");
    }
    return asAscii(line.slice(1, -1).replace(/\\(x[\da-fA-F]{2}|[0-7]{1,3}|[^])/g, unescape));
  }

  #take(length: number): number {
    const start = this.#at;
    const left = this.#bytes.length - start;
    if (length > left) {
      throw new PickleError(`it ends too early: ${length - left} bytes are missing`);
    }
    this.#at = start + length;
    return start;
  }
}

const ESCAPES: Readonly<Record<string, string>> = {
  a: "\x07",
  b: "\b",
  f: "\f",
  n: "\n",
  r: "\r",
  t: "\t",
  v: "\v",
  "\\": "\\",
  "'": "'",
  '"': '"',
};

function unescape(found: string, escape: string): string {
  const [first] = escape as unknown as [string];
  if (first === "x" && escape.length === 3) {
    return String.fromCharCode(parseInt(escape.slice(1), 16));
  }
  if (/[0-7]/.test(first)) return String.fromCharCode(parseInt(escape, 8) & 0xff);
  return ESCAPES[first] ?? found;
}

function fromCodePoint(code: number): string {
  if (code > 0x10ffff) throw new PickleError("an escape is beyond Unicode");
  return String.fromCodePoint(code);
}

function asAscii(text: string): string {
  // deno-lint-ignore no-control-regex -- everything up to there is meant
  if (/^[\x00-\x7f]*$/.test(text)) return text;
  throw new PickleError("a text of Python 2 is not ASCII");
}

function parseInteger(digits: string): number | bigint {
  if (digits.length > MAX_INTEGER_DIGITS || !INTEGER.test(digits)) {
    throw new PickleError(`${quote(digits)} is not an integer, or is too long`);
  }
  return toNumber(BigInt(digits.replace(/^\+/, "")));
}

function toNumber(integer: bigint): number | bigint {
  const number = Number(integer);
  return Number.isSafeInteger(number) ? number : integer;
}

function quote(text: string): string {
  return JSON.stringify(text.length > 40 ? `${text.slice(0, 40)}…` : text);
}
