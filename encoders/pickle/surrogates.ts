/**
 * UTF-8 in which a half of a surrogate pair has three bytes, as in Python's
 * `surrogatepass`: JavaScript strings may hold such halves, UTF-8 proper may not.
 *
 * @module
 */
import { Buffer } from "node:buffer";

const LONE_SURROGATE = /(?<![\ud800-\udbff])[\udc00-\udfff]|[\ud800-\udbff](?![\udc00-\udfff])/;
const utf8 = /* @__PURE__ */ new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/**
 * Reads bytes that are not valid UTF-8.
 *
 * @param bytes The text.
 * @returns The text; `undefined` if the bytes are not even this form of UTF-8.
 */
export function decodeSurrogates(bytes: Uint8Array): string | undefined {
  let text = "";
  let start = 0;
  try {
    for (let i = 0; i + 2 < bytes.length; i++) {
      // In UTF-8 the byte 0xed begins a character; 0xa0 and above after it make a half.
      if (bytes[i] !== 0xed || bytes[i + 1]! < 0xa0 || !isContinued(bytes, i)) continue;
      text += utf8.decode(bytes.subarray(start, i));
      text += String.fromCharCode(0xd000 | (bytes[i + 1]! & 0x3f) << 6 | bytes[i + 2]! & 0x3f);
      start = i + 3;
      i += 2;
    }
    return text + utf8.decode(bytes.subarray(start));
  } catch {
    return undefined;
  }
}

function isContinued(bytes: Uint8Array, at: number): boolean {
  return (bytes[at + 1]! & 0xc0) === 0x80 && (bytes[at + 2]! & 0xc0) === 0x80;
}

/**
 * Writes a text.
 *
 * @param text Any text.
 * @returns Its bytes; each half of a surrogate pair that stands alone has three.
 */
export function encodeSurrogates(text: string): Buffer {
  if (!LONE_SURROGATE.test(text)) return Buffer.from(text);
  const parts: Uint8Array[] = [];
  for (const piece of text.split(new RegExp(`(${LONE_SURROGATE.source})`))) {
    parts.push(LONE_SURROGATE.test(piece) ? threeBytes(piece.charCodeAt(0)) : Buffer.from(piece));
  }
  return Buffer.concat(parts);
}

function threeBytes(unit: number): Uint8Array {
  return Uint8Array.of(0xe0 | unit >> 12, 0x80 | unit >> 6 & 0x3f, 0x80 | unit & 0x3f);
}
