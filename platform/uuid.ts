import { Buffer } from "node:buffer";

/** Lowercase hexadecimal digits. */
const DIGITS = /* @__PURE__ */ Buffer.from("0123456789abcdef");
/** Bytes of a UUID. */
const SIZE = 16;
/** Characters of its text. */
const LENGTH = 36;
/** Positions in the text of the two digits of each byte. */
const PLACES = [0, 2, 4, 6, 9, 11, 14, 16, 19, 21, 24, 26, 28, 30, 32, 34];
/** Number of UUIDs that are made at a time. */
const STOCK = 128;

/**
 * Makes random UUIDs of version 4 (RFC 9562), many at a time. Equivalent to `crypto.randomUUID`,
 * but each is a flat string.
 */
export class UuidStock {
  readonly #bytes = new Uint8Array(SIZE * STOCK);
  readonly #texts = Buffer.alloc(LENGTH * STOCK, "-");
  #next = STOCK;

  /** @returns A new UUID. */
  take(): string {
    if (this.#next === STOCK) this.#fill();
    const start = LENGTH * this.#next;
    this.#next += 1;
    return this.#texts.toString("latin1", start, start + LENGTH);
  }

  #fill(): void {
    crypto.getRandomValues(this.#bytes);
    for (let i = 0; i < STOCK; i++) this.#write(SIZE * i, LENGTH * i);
    this.#next = 0;
  }

  #write(from: number, to: number): void {
    for (let i = 0; i < SIZE; i++) {
      let byte = this.#bytes[from + i]!;
      if (i === 6) byte = 0x40 | byte & 0x0f; // the version
      if (i === 8) byte = 0x80 | byte & 0x3f; // the variant
      const place = to + PLACES[i]!;
      this.#texts[place] = DIGITS[byte >> 4]!;
      this.#texts[place + 1] = DIGITS[byte & 0x0f]!;
    }
  }
}
