import { Buffer } from "node:buffer";
import { encodeSurrogates } from "./surrogates.ts";

/** A text this short is written unit by unit. */
const SHORT_TEXT = 85;
const FIRST_SIZE = 4_096;

const SHORT_BINUNICODE = 0x8c;
const BINUNICODE8 = 0x8d;

const SHORT_BINBYTES = 0x43;
const BINBYTES8 = 0x8e;

/** Buffer of the last pickle: the next one usually fits, too. */
let spare: Buffer | undefined;
/** Largest buffer that is kept. */
const MAX_SPARE_SIZE = 65_536;

/** Writes opcodes and their arguments. */
export class PickleOutput {
  #buffer: Buffer;
  #length = 0;

  constructor() {
    this.#buffer = spare ?? Buffer.allocUnsafe(FIRST_SIZE);
    spare = undefined;
  }

  /** Writes an opcode, with or without an argument of one byte. */
  bytes(opcode: number, argument?: number): void {
    const at = this.#claim(argument === undefined ? 1 : 2);
    this.#buffer[at] = opcode;
    if (argument !== undefined) this.#buffer[at + 1] = argument;
  }

  /** Writes an opcode and an argument of four bytes. */
  uint32(opcode: number, argument: number): void {
    const at = this.#claim(5);
    this.#buffer[at] = opcode;
    this.#buffer.writeUInt32LE(argument, at + 1);
  }

  /** Writes an opcode and a float of eight bytes. */
  float64(opcode: number, value: number): void {
    const at = this.#claim(9);
    this.#buffer[at] = opcode;
    this.#buffer.writeDoubleBE(value, at + 1);
  }

  /** Writes bytes as they are. */
  raw(bytes: Uint8Array): void {
    const at = this.#claim(bytes.length); // may make a new buffer
    this.#buffer.set(bytes, at);
  }

  /** Writes a text. */
  text(text: string): void {
    if (text.length > SHORT_TEXT) {
      return this.#sized(SHORT_BINUNICODE, BINUNICODE8, encodeSurrogates(text));
    }
    const at = this.#claim(2 + text.length);
    for (let i = 0; i < text.length; i++) {
      const unit = text.charCodeAt(i);
      if (unit > 0x7f) {
        this.#length = at;
        return this.#sized(SHORT_BINUNICODE, BINUNICODE8, encodeSurrogates(text));
      }
      this.#buffer[at + 2 + i] = unit; // several times as fast as Buffer.write
    }
    this.#buffer[at] = SHORT_BINUNICODE;
    this.#buffer[at + 1] = text.length;
  }

  /** Writes bytes with their length. */
  binary(bytes: Uint8Array): void {
    this.#sized(SHORT_BINBYTES, BINBYTES8, bytes);
  }

  /** Ends the pickle. */
  finish(): Uint8Array {
    const pickle = new Uint8Array(this.#buffer.subarray(0, this.#length));
    if (this.#buffer.length <= MAX_SPARE_SIZE) spare = this.#buffer;
    return pickle;
  }

  #sized(short: number, long: number, bytes: Uint8Array): void {
    const { length } = bytes;
    if (length <= 0xff) this.bytes(short, length);
    else {
      const at = this.#claim(9);
      this.#buffer[at] = long;
      this.#buffer.writeUInt32LE(length % 2 ** 32, at + 1);
      this.#buffer.writeUInt32LE(Math.floor(length / 2 ** 32), at + 5);
    }
    this.raw(bytes);
  }

  /** Makes room for bytes. */
  #claim(size: number): number {
    const end = this.#length + size;
    if (end > this.#buffer.length) this.#grow(end);
    this.#length = end;
    return end - size;
  }

  #grow(size: number): void {
    const larger = Buffer.allocUnsafe(Math.max(size, 2 * this.#buffer.length));
    larger.set(this.#buffer.subarray(0, this.#length));
    this.#buffer = larger;
  }
}
