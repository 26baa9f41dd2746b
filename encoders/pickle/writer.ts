import { isPlainObject, joinPath, MAX_DEPTH } from "../json/writer.ts";
import { isMessageDict } from "../../core/message_dict.ts";
import { keysInOrder, originalText, type Spelling, spellingOf } from "../spelling.ts";
import { callOfDate } from "./calls.ts";
import { writeBigInt, writeFloat, writeNumber } from "./numbers.ts";
import { originOf, type PickledCall } from "./origin.ts";
import { PickleOutput } from "./output.ts";

const MESSAGE_FIELDS = 7;

/** Default protocol of Python's pickler; Python 3.4 and later read it. */
const PROTOCOL = 4;

const PROTO = 0x80;
const STOP = 0x2e;
const NONE = 0x4e;
const NEWTRUE = 0x88;
const NEWFALSE = 0x89;
const MARK = 0x28;
const MEMOIZE = 0x94;
const BINGET = 0x68;
const LONG_BINGET = 0x6a;
const EMPTY_LIST = 0x5d;
const APPENDS = 0x65;
const TUPLE = 0x74;
const EMPTY_DICT = 0x7d;
const SETITEMS = 0x75;
const EMPTY_SET = 0x8f;
const ADDITEMS = 0x90;
const FROZENSET = 0x91;
const STACK_GLOBAL = 0x93;
const REDUCE = 0x52;

/** Which of the items that fill a container are keys, or in a set: none, every one, every other. */
type KeyPlaces = 0 | 1 | 2;

/**
 * Writes a value as a pickle that Python reads as an equal value of the same types. An object
 * that occurs again is fetched from the memo, so that Python shares it, too. Features that only make
 * a pickle shorter, such as frames and a memo of texts, are left out.
 */
export class PickleWriter {
  readonly #output: PickleOutput = new PickleOutput();
  /** Memo indexes of the values that can be fetched. */
  readonly #memo: Map<object, number> = new Map();
  /** The containers around the value that is being written, and where in them it is. */
  readonly #ancestors: object[] = [];
  readonly #places: (string | number)[] = [];
  #depth = 0;
  /** Number of keys and set items around the value: within them, arrays are written as tuples. */
  #keys = 0;

  /**
   * Writes the value of the pickle.
   *
   * @param value The value.
   * @returns The pickle.
   * @throws {TypeError} If it holds something that Python has no type for; the text names the place.
   */
  write(value: unknown): Uint8Array {
    this.#output.bytes(PROTO, PROTOCOL);
    this.#value(value);
    this.#output.bytes(STOP);
    return this.#output.finish();
  }

  #value(value: unknown): void {
    switch (typeof value) {
      case "string":
        return this.#output.text(value);
      case "number":
        return writeNumber(this.#output, value);
      case "boolean":
        return this.#output.bytes(value ? NEWTRUE : NEWFALSE);
      case "bigint":
        return writeBigInt(this.#output, value);
      case "object":
        return value === null ? this.#output.bytes(NONE) : this.#object(value);
      default:
        this.#fail(
          value === undefined
            ? "undefined is not Python, and would be lost; leave it out or send null"
            : `a ${typeof value} is not Python`,
        );
    }
  }

  #object(value: object): void {
    if (!this.#isTupleOfKey(value) && this.#fetch(value)) return;
    if (this.#depth >= MAX_DEPTH) this.#fail(`it is nested more than ${MAX_DEPTH} deep`);
    this.#ancestors[this.#depth++] = value;
    this.#content(value);
    this.#depth -= 1;
  }

  #content(value: object): void {
    const origin = originOf(value);
    const isKey = this.#keys > 0;
    if (Array.isArray(value)) {
      if (!isKey && origin !== "tuple") return this.#list(value);
      this.#tuple(value);
      return this.#memoize(value);
    }
    if (value instanceof Set) return this.#set(value, isKey || origin === "frozenset");
    if (value instanceof Uint8Array) return this.#bytes(value, !isKey && origin === "bytearray");
    if (value instanceof Date) return this.#date(value);
    if (typeof origin === "object") return this.#call(value, origin);
    if (value instanceof Map || isPlainObject(value)) {
      if (isKey) this.#fail("Python cannot have a dict as a key, or in a set");
      return value instanceof Map ? this.#map(value) : this.#dict(value);
    }
    this.#fail(
      `a ${value.constructor?.name || "class instance"} would not arrive as one; send plain ` +
        "objects, Map, Set, Date, Uint8Array, arrays, strings and numbers",
    );
  }

  #list(list: readonly unknown[]): void {
    this.#output.bytes(EMPTY_LIST);
    this.#memoize(list);
    this.#fill(list, spellingOf(list), 0, APPENDS);
  }

  #tuple(items: readonly unknown[]): void {
    this.#output.bytes(MARK);
    this.#items(items, spellingOf(items), 0);
    this.#output.bytes(TUPLE);
  }

  #dict(dict: object): void {
    this.#output.bytes(EMPTY_DICT);
    this.#memoize(dict);
    const spelling = spellingOf(dict);
    const keys = keysInOrder(dict, spelling);
    if (keys.length === 0) return;
    const isMessage = keys.length === MESSAGE_FIELDS && isMessageDict(dict);
    this.#output.bytes(MARK);
    for (const key of keys) {
      this.#places[this.#depth - 1] = key;
      this.#output.text(key);
      const value = (dict as Record<string, unknown>)[key];
      // Python has the arguments of a message as a tuple, here they are an array.
      if (isMessage && key === "args") this.#argsOf(value as readonly unknown[]);
      else this.#child(value, key, spelling);
    }
    this.#output.bytes(SETITEMS);
  }

  #argsOf(args: readonly unknown[]): void {
    this.#ancestors[this.#depth++] = args;
    this.#tuple(args);
    this.#depth -= 1;
  }

  #map(map: ReadonlyMap<unknown, unknown>): void {
    this.#output.bytes(EMPTY_DICT);
    this.#memoize(map);
    const items: unknown[] = [];
    for (const [key, value] of map) items.push(key, value);
    this.#fill(items, spellingOf(map), 2, SETITEMS);
  }

  #set(set: ReadonlySet<unknown>, isFrozen: boolean): void {
    const items = [...set];
    const spelling = spellingOf(set);
    if (isFrozen) {
      this.#output.bytes(MARK);
      this.#items(items, spelling, 1);
      this.#output.bytes(FROZENSET);
      return this.#memoize(set);
    }
    this.#output.bytes(EMPTY_SET);
    this.#memoize(set);
    this.#fill(items, spelling, 1, ADDITEMS);
  }

  #bytes(bytes: Uint8Array, isByteArray: boolean): void {
    if (isByteArray) {
      const args = bytes.length === 0 ? [] : [new Uint8Array(bytes)];
      return this.#call(bytes, { callable: "builtins.bytearray", args });
    }
    this.#output.binary(bytes);
    this.#memoize(bytes);
  }

  #date(date: Date): void {
    const year = date.getUTCFullYear();
    if (!(year >= 1 && year <= 9_999)) {
      this.#fail(
        Number.isNaN(year) ? "an invalid Date" : `Python has no datetime in the year ${year}`,
      );
    }
    this.#call(date, callOfDate(date));
  }

  #call(value: object, { callable, args }: PickledCall): void {
    const dot = callable.lastIndexOf(".");
    this.#output.text(callable.slice(0, dot));
    this.#output.text(callable.slice(dot + 1));
    this.#output.bytes(STACK_GLOBAL);
    this.#tuple(args);
    this.#output.bytes(REDUCE);
    this.#memoize(value);
  }

  /** Adds items to the container on the stack. */
  #fill(
    items: readonly unknown[],
    spelling: Spelling | undefined,
    keys: KeyPlaces,
    opcode: number,
  ): void {
    if (items.length === 0) return;
    this.#output.bytes(MARK);
    this.#items(items, spelling, keys);
    this.#output.bytes(opcode);
  }

  #items(items: readonly unknown[], spelling: Spelling | undefined, keys: KeyPlaces): void {
    for (let i = 0; i < items.length; i++) {
      this.#places[this.#depth - 1] = i;
      const isKey = keys > 0 && i % keys === 0;
      if (isKey) this.#keys += 1;
      this.#child(items[i], i, spelling);
      if (isKey) this.#keys -= 1;
    }
  }

  /** Writes a value in a container: as a float, if it was read as one. */
  #child(value: unknown, place: string | number, spelling: Spelling | undefined): void {
    const text = spelling && originalText(spelling, place, value);
    if (text === undefined) return this.#value(value);
    if (/^-?\d+$/.test(text)) writeBigInt(this.#output, BigInt(text));
    else writeFloat(this.#output, value as number);
  }

  #memoize(value: object): void {
    if (this.#isTupleOfKey(value)) return;
    this.#output.bytes(MEMOIZE);
    this.#memo.set(value, this.#memo.size);
  }

  /** True if a value is written differently here than elsewhere, so that it must not be fetched. */
  #isTupleOfKey(value: object): boolean {
    if (this.#keys === 0) return false;
    return (Array.isArray(value) && originOf(value) !== "tuple") ||
      (value instanceof Set && originOf(value) !== "frozenset");
  }

  #fetch(value: object): boolean {
    const index = this.#memo.get(value);
    if (index === undefined) return false;
    if (this.#ancestors.slice(0, this.#depth).includes(value)) {
      this.#fail("it refers back to itself");
    }
    if (index <= 0xff) this.#output.bytes(BINGET, index);
    else this.#output.uint32(LONG_BINGET, index);
    return true;
  }

  #fail(reason: string): never {
    const places = this.#places.slice(0, this.#depth);
    const path = places.reduce<string>(joinPath, "");
    throw new TypeError(`Cannot encode ${path === "" ? "the value" : path}: ${reason}`);
  }
}
