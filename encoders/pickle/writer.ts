import { isPlainObject, joinPath, MAX_DEPTH } from "../json/writer.ts";
import { isMessageDict } from "../../core/message_dict.ts";
import { keysInOrder, originalText, type Spelling, spellingOf } from "../spelling.ts";
import { callOfDate } from "./calls.ts";
import { BATCH_SIZE, countBatches, DICT, type Filling, LIST, SET } from "./filling.ts";
import { writeBigInt, writeFloat, writeNumber } from "./numbers.ts";
import { originOf, type PickledCall } from "./origin.ts";
import { PickleOutput } from "./output.ts";

const MESSAGE_FIELDS = 7;

const MARK = 0x28;
const MEMOIZE = 0x94;
const REDUCE = 0x52;
const STACK_GLOBAL = 0x93;
const STOP = 0x2e;

/**
 * Writes a value as Python's pickler does: text that comes again, and the same object at
 * another place, is fetched from the memo.
 */
export class PickleWriter {
  readonly #output: PickleOutput;
  /** Numbers of what can be fetched, by object or text. */
  readonly #memo: Map<unknown, number> = new Map();
  /** The same of what is called. */
  readonly #callables: Map<string, number> = new Map();
  #memoized = 0;
  /** The containers around the value that is being written, and where in them it is. */
  readonly #ancestors: object[] = [];
  readonly #places: (string | number)[] = [];
  #depth = 0;
  /** Number of keys, or items of sets, that are around the value: there arrays are written as tuples. */
  #keys = 0;

  /**
   * Begins a pickle.
   *
   * @param protocol 4 or 5.
   */
  constructor(protocol: number) {
    this.#output = new PickleOutput(protocol);
  }

  /**
   * Writes the value of the pickle.
   *
   * @param value What to write.
   * @returns The pickle.
   * @throws {TypeError} If it holds what Python has nothing like; the text names the place.
   */
  write(value: unknown): Uint8Array {
    this.#value(value);
    this.#output.bytes(STOP);
    return this.#output.finish();
  }

  #value(value: unknown): void {
    this.#output.beginValue();
    switch (typeof value) {
      case "string":
        return this.#text(value);
      case "number":
        return writeNumber(this.#output, value);
      case "boolean":
        return this.#output.bytes(value ? 0x88 : 0x89);
      case "bigint":
        return writeBigInt(this.#output, value);
      case "object":
        return value === null ? this.#output.bytes(0x4e) : this.#object(value);
      default:
        this.#fail(
          value === undefined
            ? "undefined is not Python, and would be lost; leave it out or send null"
            : `a ${typeof value} is not Python`,
        );
    }
  }

  #text(text: string): void {
    if (this.#fetch(text)) return;
    this.#output.text(text);
    this.#memoize(text);
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
      return isKey || origin === "tuple" ? this.#tuple(value, value) : this.#list(value);
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
    this.#output.bytes(0x5d);
    this.#memoize(list);
    this.#fill(LIST, list, spellingOf(list));
  }

  /**
   * @param owner What is fetched when it comes again.
   */
  #tuple(items: readonly unknown[], owner: object): void {
    const { length } = items;
    if (length === 0) return this.#output.bytes(0x29);
    if (length > 3) this.#output.bytes(MARK);
    this.#items(undefined, items, 0, length, spellingOf(items));
    this.#output.bytes(length > 3 ? 0x74 : 0x84 + length);
    this.#memoize(owner);
  }

  #dict(dict: object): void {
    this.#output.bytes(0x7d);
    this.#memoize(dict);
    const spelling = spellingOf(dict);
    const keys = keysInOrder(dict, spelling);
    const isMessage = keys.length === MESSAGE_FIELDS && isMessageDict(dict);
    const { length } = keys;
    const batches = countBatches(DICT, length);
    for (let batch = 0; batch < batches; batch++) {
      if (length > 1) this.#output.bytes(MARK);
      const end = Math.min((batch + 1) * BATCH_SIZE, length);
      for (let i = batch * BATCH_SIZE; i < end; i++) {
        const key = keys[i]!;
        this.#places[this.#depth - 1] = key;
        this.#output.beginValue();
        this.#text(key);
        const value = (dict as Record<string, unknown>)[key];
        // Python has the arguments of a message as a tuple, here they are an array.
        if (isMessage && key === "args") this.#argsOf(value as readonly unknown[]);
        else this.#child(value, key, spelling);
      }
      this.#output.bytes(length > 1 ? DICT.many : DICT.one!);
    }
  }

  #argsOf(args: readonly unknown[]): void {
    this.#output.beginValue();
    this.#ancestors[this.#depth++] = args;
    this.#tuple(args, args);
    this.#depth -= 1;
  }

  #map(map: ReadonlyMap<unknown, unknown>): void {
    this.#output.bytes(0x7d);
    this.#memoize(map);
    const items: unknown[] = [];
    for (const [key, value] of map) items.push(key, value);
    this.#fill(DICT, items, spellingOf(map));
  }

  #set(set: ReadonlySet<unknown>, isFrozen: boolean): void {
    const items = [...set];
    const spelling = spellingOf(set);
    if (isFrozen) {
      this.#output.bytes(MARK);
      this.#items(SET, items, 0, items.length, spelling);
      this.#output.bytes(0x91);
      return this.#memoize(set);
    }
    this.#output.bytes(0x8f);
    this.#memoize(set);
    this.#fill(SET, items, spelling);
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
    this.#callable(callable);
    this.#output.beginValue();
    this.#tuple(args, args);
    this.#output.bytes(REDUCE);
    this.#memoize(value);
  }

  #callable(callable: string): void {
    const index = this.#callables.get(callable);
    if (index !== undefined) return this.#get(index);
    const dot = callable.lastIndexOf(".");
    this.#value(callable.slice(0, dot));
    this.#output.beginValue();
    this.#output.text(callable.slice(dot + 1)); // Python makes a new text of a name each time
    this.#output.bytes(MEMOIZE);
    this.#output.bytes(STACK_GLOBAL);
    this.#output.bytes(MEMOIZE);
    this.#callables.set(callable, this.#memoized + 1);
    this.#memoized += 2;
  }

  /** Adds items to the container on the stack. */
  #fill(filling: Filling, items: readonly unknown[], spelling: Spelling | undefined): void {
    const { width, one, many } = filling;
    const isOne = items.length === width && one !== undefined;
    const batches = countBatches(filling, items.length / width);
    for (let batch = 0; batch < batches; batch++) {
      const end = Math.min((batch + 1) * BATCH_SIZE * width, items.length);
      if (!isOne) this.#output.bytes(MARK);
      this.#items(filling, items, batch * BATCH_SIZE * width, end, spelling);
      this.#output.bytes(isOne ? one : many);
    }
  }

  #items(
    filling: Filling | undefined,
    items: readonly unknown[],
    start: number,
    end: number,
    spelling: Spelling | undefined,
  ): void {
    for (let i = start; i < end; i++) {
      this.#places[this.#depth - 1] = i;
      const isKey = filling !== undefined && filling.hasKeys && i % filling.width === 0;
      if (isKey) this.#keys += 1;
      this.#child(items[i], i, spelling);
      if (isKey) this.#keys -= 1;
    }
  }

  /** Writes a value in a container: as a float, if it came as one. */
  #child(value: unknown, place: string | number, spelling: Spelling | undefined): void {
    const text = spelling && originalText(spelling, place, value);
    if (text === undefined) return this.#value(value);
    this.#output.beginValue();
    if (/^-?\d+$/.test(text)) writeBigInt(this.#output, BigInt(text));
    else writeFloat(this.#output, value as number);
  }

  #memoize(value: unknown): void {
    this.#output.bytes(MEMOIZE);
    if (!this.#isTupleOfKey(value)) this.#memo.set(value, this.#memoized);
    this.#memoized += 1;
  }

  /** True if something is written otherwise here than elsewhere, and so not to be fetched. */
  #isTupleOfKey(value: unknown): boolean {
    if (this.#keys === 0) return false;
    return (Array.isArray(value) && originOf(value) !== "tuple") ||
      (value instanceof Set && originOf(value) !== "frozenset");
  }

  #fetch(value: unknown): boolean {
    const index = this.#memo.get(value);
    if (index === undefined) return false;
    if (
      typeof value === "object" && this.#ancestors.slice(0, this.#depth).includes(value as object)
    ) {
      this.#fail("it refers back to itself");
    }
    this.#get(index);
    return true;
  }

  #get(index: number): void {
    if (index <= 0xff) this.#output.bytes(0x68, index);
    else this.#output.uint32(0x6a, index);
  }

  #fail(reason: string): never {
    const places = this.#places.slice(0, this.#depth);
    const path = places.reduce<string>(joinPath, "");
    throw new TypeError(`Cannot encode ${path === "" ? "the value" : path}: ${reason}`);
  }
}
