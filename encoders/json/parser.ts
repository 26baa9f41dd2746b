import { MAX_DEPTH, writeNumber } from "./writer.ts";
import { define } from "../../core/message_options.ts";
import { noteSpelling, type Spelling } from "../spelling.ts";

const NUMBER = /-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][-+]?\d+)?/y;
const COLON = /[ \n\r\t]*:/y;
const LITERALS: readonly (readonly [string, unknown])[] = [
  ["null", null],
  ["true", true],
  ["false", false],
  ["NaN", NaN],
  ["Infinity", Infinity],
  ["-Infinity", -Infinity],
];

/**
 * Parses JSON as Python's `json.loads` does, `NaN` and `Infinity` included, and
 * notes what plain values would lose (see `spelling.ts`). Keys such as
 * `__proto__` become own properties.
 *
 * Ten times slower than `JSON.parse`: use it for messages that are
 * written again, and for those that `JSON.parse` refuses or misreads.
 *
 * @param text JSON text.
 * @returns The value.
 * @throws {SyntaxError} If the text is not JSON, or nested too deep. The text of
 *   the error names the position.
 */
export function parseJsonExactly(text: string): unknown {
  return new Parser(text).parse();
}

class Parser {
  readonly #text: string;
  #at = 0;
  /** Source text of the number that was read last, when writing its value gives another. */
  #spelled: string | undefined;

  constructor(text: string) {
    this.#text = text;
  }

  parse(): unknown {
    const value = this.#value(0);
    this.#skipSpace();
    if (this.#at < this.#text.length) this.#fail();
    return value;
  }

  #value(depth: number): unknown {
    this.#spelled = undefined;
    this.#skipSpace();
    switch (this.#text[this.#at]) {
      case "{":
        assertDepth(depth);
        return this.#object(depth);
      case "[":
        assertDepth(depth);
        return this.#array(depth);
      case '"':
        return this.#string();
      default:
        return this.#literal();
    }
  }

  #object(depth: number): Record<string, unknown> {
    const object: Record<string, unknown> = {};
    const spelling: Spelling = { numbers: new Map() };
    const keys = new Set<string>();
    this.#at += 1;
    if (this.#takes("}")) return object;
    do {
      this.#skipSpace();
      if (this.#text[this.#at] !== '"') this.#fail();
      const key = this.#string();
      if (!this.#takes(":")) this.#fail();
      const value = this.#value(depth + 1);
      keys.add(key);
      this.#note(spelling, key, value);
      define(object, key, value);
    } while (this.#takes(","));
    if (!this.#takes("}")) this.#fail();

    const order = [...keys];
    if (Object.keys(object).some((key, i) => key !== order[i])) spelling.keys = order;
    if (spelling.numbers.size > 0 || spelling.keys !== undefined) noteSpelling(object, spelling);
    return object;
  }

  #array(depth: number): unknown[] {
    const array: unknown[] = [];
    const spelling: Spelling = { numbers: new Map() };
    this.#at += 1;
    if (this.#takes("]")) return array;
    do {
      const value = this.#value(depth + 1);
      this.#note(spelling, array.length, value);
      array.push(value);
    } while (this.#takes(","));
    if (!this.#takes("]")) this.#fail();
    if (spelling.numbers.size > 0) noteSpelling(array, spelling);
    return array;
  }

  #note(spelling: Spelling, key: string | number, value: unknown): void {
    if (this.#spelled !== undefined && typeof value === "number") {
      spelling.numbers.set(key, { value, text: this.#spelled });
    } else {
      spelling.numbers.delete(key); // of a key that occurs twice, the last value counts
    }
    this.#spelled = undefined;
  }

  #string(): string {
    const start = this.#at;
    const end = closingQuote(this.#text, start + 1);
    if (end === -1) this.#fail();
    this.#at = end + 1;
    try {
      return JSON.parse(this.#text.slice(start, end + 1)) as string;
    } catch {
      this.#at = start;
      this.#fail();
    }
  }

  #literal(): unknown {
    for (const [word, value] of LITERALS) {
      if (!this.#text.startsWith(word, this.#at)) continue;
      this.#at += word.length;
      return value;
    }
    return this.#number();
  }

  #number(): number {
    NUMBER.lastIndex = this.#at;
    const source = NUMBER.exec(this.#text)?.[0];
    if (source === undefined) this.#fail();
    this.#at += source.length;
    const value = Number(source);
    if (writeNumber(value) !== source) this.#spelled = source;
    return value;
  }

  #takes(character: string): boolean {
    this.#skipSpace();
    if (this.#text[this.#at] !== character) return false;
    this.#at += 1;
    return true;
  }

  #skipSpace(): void {
    while (" \n\r\t".includes(this.#text[this.#at] ?? "x")) this.#at += 1;
  }

  #fail(): never {
    const found = this.#text[this.#at];
    throw new SyntaxError(
      found === undefined
        ? `JSON ends too early, at position ${this.#at}`
        : `JSON has an unexpected ${JSON.stringify(found)} at position ${this.#at}`,
    );
  }
}

/**
 * True if a key is written with an escape, so that `JSON.parse` must not read it: V8
 * (nodejs/node#63785) takes such a key for one of an earlier object that has the same length
 * and with which the source text of this key begins. After `{"\\":0}`,
 * `{"\"":0}` is read as `{"\\":0}`.
 */
export function hasEscapedKey(text: string): boolean {
  let escape = text.indexOf("\\");
  while (escape !== -1) {
    const end = closingQuote(text, escape);
    if (end === -1) return false;
    COLON.lastIndex = end + 1;
    if (COLON.test(text)) return true;
    escape = text.indexOf("\\", end + 1);
  }
  return false;
}

/** @returns The end of the string that contains a position, or -1. */
function closingQuote(text: string, from: number): number {
  let quote = text.indexOf('"', from);
  while (quote !== -1 && isEscaped(text, quote)) quote = text.indexOf('"', quote + 1);
  return quote;
}

function isEscaped(text: string, at: number): boolean {
  let backslashes = 0;
  while (text[at - 1 - backslashes] === "\\") backslashes += 1;
  return backslashes % 2 === 1;
}

/**
 * @param depth The number of arrays and objects around the one that begins.
 * @throws {SyntaxError} If it could not be written again.
 */
export function assertDepth(depth: number): void {
  if (depth >= MAX_DEPTH) throw new SyntaxError(`JSON is nested more than ${MAX_DEPTH} deep`);
}
