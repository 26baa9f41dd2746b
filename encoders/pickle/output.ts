import { Buffer } from "node:buffer";
import { encodeSurrogates } from "./surrogates.ts";

/** A frame that has grown to this is closed; what is as large by itself goes without. */
const FRAME_SIZE = 65_536;
/** Less than this is not worth a frame. */
const MIN_FRAME_SIZE = 4;
const FRAME = 0x95;
const FRAME_HEADER_SIZE = 9;
/** A text this short is written unit by unit. */
const SHORT_TEXT = 85;
const FIRST_SIZE = 4_096;

const SHORT_BINUNICODE = 0x8c;
const BINUNICODE = 0x58;
const BINUNICODE8 = 0x8d;

/** Opcodes that begin bytes or texts: by how many bytes their length takes. */
interface LengthOpcodes {
  readonly short: number;
  readonly medium: number;
  readonly long: number;
}

const TEXT: LengthOpcodes = { short: SHORT_BINUNICODE, medium: BINUNICODE, long: BINUNICODE8 };
const BYTES: LengthOpcodes = { short: 0x43, medium: 0x42, long: 0x8e };

/** Buffer of the last pickle: the next one mostly fits, too. */
let spare: Buffer | undefined;
/** A larger one is not kept. */
const MAX_SPARE_SIZE = 65_536;

/**
 * Writes opcodes and their arguments, and puts frames around them where Python's pickler
 * does. Source: what Python 3.11 writes, in `tests/vectors/pickle.json` and beyond.
 */
export class PickleOutput {
  #buffer: Buffer;
  #length = 0;
  /** Position of the open frame's header, -1 when there is none. */
  #frame = -1;
  #isFraming = false;

  /**
   * Begins a pickle.
   *
   * @param protocol 4 or 5: those that have frames.
   */
  constructor(protocol: number) {
    this.#buffer = spare ?? Buffer.allocUnsafe(FIRST_SIZE);
    spare = undefined;
    this.bytes(0x80, protocol);
    this.#isFraming = true;
  }

  /** Tells that a value begins: where a frame may end. */
  beginValue(): void {
    if (this.#frame !== -1 && this.#length - this.#frame - FRAME_HEADER_SIZE >= FRAME_SIZE) {
      this.#closeFrame();
    }
  }

  /** Writes an opcode, or one and an argument of a byte. */
  bytes(opcode: number, argument?: number): void {
    const at = this.#claim(argument === undefined ? 1 : 2);
    this.#buffer[at] = opcode;
    if (argument !== undefined) this.#buffer[at + 1] = argument;
  }

  /** Writes an opcode and an argument of two bytes. */
  uint16(opcode: number, argument: number): void {
    const at = this.#claim(3);
    this.#buffer[at] = opcode;
    this.#buffer.writeUInt16LE(argument, at + 1);
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
    if (text.length > SHORT_TEXT) return this.#sized(TEXT, encodeSurrogates(text));
    const at = this.#claim(2 + text.length);
    for (let i = 0; i < text.length; i++) {
      const unit = text.charCodeAt(i);
      if (unit > 0x7f) {
        this.#length = at;
        return this.#sized(TEXT, encodeSurrogates(text));
      }
      this.#buffer[at + 2 + i] = unit; // several times as fast as Buffer.write
    }
    this.#buffer[at] = SHORT_BINUNICODE;
    this.#buffer[at + 1] = text.length;
  }

  /** Writes bytes with their length. */
  binary(bytes: Uint8Array): void {
    this.#sized(BYTES, bytes);
  }

  /** Ends the pickle. */
  finish(): Uint8Array {
    this.#closeFrame();
    const pickle = new Uint8Array(this.#buffer.subarray(0, this.#length));
    if (this.#buffer.length <= MAX_SPARE_SIZE) spare = this.#buffer;
    return pickle;
  }

  #sized(opcodes: LengthOpcodes, bytes: Uint8Array): void {
    const { length } = bytes;
    const isLarge = length >= FRAME_SIZE;
    if (isLarge) {
      this.#closeFrame();
      this.#isFraming = false;
    }
    if (length <= 0xff) this.bytes(opcodes.short, length);
    else if (length <= 0xffffffff) this.uint32(opcodes.medium, length);
    else {
      this.uint32(opcodes.long, length % 2 ** 32);
      const at = this.#claim(4);
      this.#buffer.writeUInt32LE(Math.floor(length / 2 ** 32), at);
    }
    this.raw(bytes);
    this.#isFraming = true;
  }

  /** Makes room for bytes, in a frame. */
  #claim(size: number): number {
    const header = this.#isFraming && this.#frame === -1 ? FRAME_HEADER_SIZE : 0;
    const end = this.#length + header + size;
    if (end > this.#buffer.length) this.#grow(end);
    if (header > 0) this.#frame = this.#length;
    this.#length = end;
    return end - size;
  }

  #grow(size: number): void {
    const larger = Buffer.allocUnsafe(Math.max(size, 2 * this.#buffer.length));
    larger.set(this.#buffer.subarray(0, this.#length));
    this.#buffer = larger;
  }

  #closeFrame(): void {
    if (this.#frame === -1) return;
    const start = this.#frame + FRAME_HEADER_SIZE;
    const size = this.#length - start;
    if (size >= MIN_FRAME_SIZE) {
      this.#buffer[this.#frame] = FRAME;
      this.#buffer.writeUInt32LE(size % 2 ** 32, this.#frame + 1);
      this.#buffer.writeUInt32LE(Math.floor(size / 2 ** 32), this.#frame + 5);
    } else {
      this.#buffer.copyWithin(this.#frame, start, this.#length);
      this.#length -= FRAME_HEADER_SIZE;
    }
    this.#frame = -1;
  }
}
