const LINE_BREAK = 0x0a;
const SPACE = 0x20;
const DELETE = 0x7f;
/** Marker of a byte that is no UTF-8. */
const INVALID = -1;

/** White space beyond ASCII, as glibc has it, and the no-break spaces that `wc` adds. */
const WIDE_SPACES: ReadonlySet<number> = new Set([
  ...[0x00a0, 0x1680, 0x2000, 0x2001, 0x2002, 0x2003, 0x2004, 0x2005, 0x2006, 0x2007],
  ...[0x2008, 0x2009, 0x200a, 0x202f, 0x205f, 0x2060, 0x3000],
]);

/** Not a control character, unassigned, half a surrogate pair, or a line or paragraph mark. */
const PRINTABLE = /[^\p{Cc}\p{Cn}\p{Cs}\p{Zl}\p{Zp}]/u;

/** The smallest code point that needs so many bytes; to write less in as many is invalid. */
const SMALLEST = [0, 0, 0x80, 0x800, 0x1_0000];
const LARGEST = 0x10_ffff;

/**
 * Counts lines and words exactly as `LC_ALL=C.UTF-8 wc` of GNU coreutils 9.1 does.
 *
 * A word is a run without white space that has a printable character in it. What is
 * neither, a control character or a byte that is no UTF-8, does not make a word and
 * does not end one. (Later releases of `wc` take a run of nothing else for a word,
 * too, which text hardly has; and a character that is younger than the tables of the C
 * library is not printable to it.)
 */
export class WordCounter {
  /** Line breaks so far. */
  lines = 0;
  /** Words so far. */
  words = 0;
  #isInWord = false;

  /** Counts a piece of text, which may begin and end within a word, but not a character. */
  add(bytes: Uint8Array): void {
    for (let i = 0; i < bytes.length;) {
      const character = codePointAt(bytes, i);
      i += sizeOf(character);
      if (character === LINE_BREAK) this.lines += 1;
      if (isWhiteSpace(character)) {
        this.#isInWord = false;
      } else if (!this.#isInWord && isPrintable(character)) {
        this.#isInWord = true;
        this.words += 1;
      }
    }
  }
}

function isWhiteSpace(character: number): boolean {
  if (character < DELETE) return character === SPACE || (character >= 0x09 && character <= 0x0d);
  return WIDE_SPACES.has(character);
}

function isPrintable(character: number): boolean {
  if (character < DELETE) return character > SPACE;
  return PRINTABLE.test(String.fromCodePoint(character));
}

/**
 * Decodes one character. `TextDecoder` would not do: it turns what is invalid into
 * U+FFFD, which is printable when it really stands in the text.
 */
function codePointAt(bytes: Uint8Array, index: number): number {
  const lead = bytes[index]!;
  if (lead < 0x80) return lead;
  if (lead < 0xc0 || lead > 0xf7) return INVALID;
  const size = lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
  let codePoint = lead & (0x7f >> size);
  for (let i = 1; i < size; i++) {
    const next = bytes[index + i] ?? 0;
    if ((next & 0xc0) !== 0x80) return INVALID;
    codePoint = (codePoint << 6) | (next & 0x3f);
  }
  return codePoint < SMALLEST[size]! || codePoint > LARGEST ? INVALID : codePoint;
}

/** After an invalid byte, decoding begins anew with the next one. */
function sizeOf(character: number): number {
  return character < 0x80 ? 1 : character < 0x800 ? 2 : character < 0x1_0000 ? 3 : 4;
}
