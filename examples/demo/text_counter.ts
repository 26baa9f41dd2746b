import { createHash, type Hash } from "node:crypto";
import { WordCounter } from "./word_counter.ts";

/** Number of times a word occurs. */
export type Frequency = [word: string, count: number];

/** The count of one file. It travels in a message: numbers, strings and arrays only. */
export interface FileCount {
  readonly bytes: number;
  /** As `wc -l` counts them. */
  readonly lines: number;
  /** As `wc -w` counts them. */
  readonly words: number;
  /** In hexadecimal. */
  readonly sha256: string;
  /** Runs of letters, in lower case. */
  readonly frequencies: readonly Frequency[];
  /** True if it has more different words than `frequencies` holds. */
  readonly isCut: boolean;
}

/**
 * A message is no place for megabytes. 5,000 different words are some 70 KB; few texts
 * have more, and those that are frequent come early.
 */
export const MAX_DIFFERENT_WORDS = 5_000;
/** Longest word: longer ones are data rather than language. */
const MAX_WORD_LENGTH = 64;

/** Letters, with the accents that are characters of their own. */
const LETTERS = /[\p{L}\p{M}]+/gu;

/** Counts a text that comes piece by piece. */
export class TextCounter {
  readonly #hash: Hash = createHash("sha256");
  readonly #decoder = new TextDecoder();
  readonly #frequencies = new Map<string, number>();
  readonly #counter = new WordCounter();
  #bytes = 0;
  #isCut = false;

  /** Counts a piece, as `readPieces` gives them. */
  add(piece: Uint8Array): void {
    this.#hash.update(piece);
    this.#bytes += piece.length;
    this.#counter.add(piece);
    const text = this.#decoder.decode(piece).toLowerCase();
    for (const word of text.match(LETTERS) ?? []) this.#addWord(word);
  }

  /** The count of all pieces. */
  finish(): Omit<FileCount, "path"> {
    return {
      bytes: this.#bytes,
      lines: this.#counter.lines,
      words: this.#counter.words,
      sha256: this.#hash.digest("hex"),
      frequencies: [...this.#frequencies],
      isCut: this.#isCut,
    };
  }

  #addWord(word: string): void {
    if (word.length > MAX_WORD_LENGTH) return;
    const count = this.#frequencies.get(word) ?? 0;
    if (count === 0 && this.#frequencies.size === MAX_DIFFERENT_WORDS) this.#isCut = true;
    else this.#frequencies.set(word, count + 1);
  }
}
