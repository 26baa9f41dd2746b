import { define } from "../../core/message_options.ts";
import { keepSpelling, spellingOf } from "../spelling.ts";
import { MAX_DEPTH } from "../json/writer.ts";
import { Callable, knownCallable, makeOfCall } from "./calls.ts";
import { noteFloat, noteKey, plain, setInMap, WholeFloat } from "./notes.ts";
import { noteOrigin, type Origin } from "./origin.ts";
import { PickleError, type PickleReader } from "./reader.ts";
import { assertTree, MAX_REPEATED } from "./tree.ts";

/** Keys that JavaScript moves to the front of an object. */
const INDEX = /^(?:0|[1-9]\d{0,9})$/;

/**
 * The machine that runs a pickle, which is a program: a stack with marks, and a memo. It holds
 * data only and loops over the opcodes, so deep nesting in a pickle needs no recursion here.
 *
 * A value is complete when it is put into another one, unless the program fetches it from the
 * memo later. Depth and cycles are therefore checked at the end, and only if something was
 * fetched or many values were made.
 */
export class PickleMachine {
  readonly reader: PickleReader;
  readonly #isExact: boolean;
  readonly #stack: unknown[] = [];
  readonly #marks: number[] = [];
  /** Position of the last mark: nothing below it can be taken. */
  #floor = 0;
  readonly #memo: unknown[] = [];
  /** Dicts with a key that is not a string, by the objects that they started as. */
  readonly #replaced: Map<object, Map<unknown, unknown>> = new Map();
  #containers = 0;
  /** Number of characters and bytes that were fetched from the memo. */
  #repeated = 0;
  #isShared = false;
  /** True if some value may be in an invalid place: a part of a call, an unusual key. */
  #isOdd = false;

  /**
   * Creates a machine with an empty stack.
   *
   * @param reader The program.
   * @param isExact Whether to note what plain values would lose: whole floats, tuples, the
   *   order of keys.
   */
  constructor(reader: PickleReader, isExact: boolean) {
    this.reader = reader;
    this.#isExact = isExact;
  }

  /** Ends the program. */
  result(): unknown {
    const value = plain(this.pop());
    if (this.#isShared || this.#isOdd || this.#containers > MAX_DEPTH) {
      assertTree(value, {
        isShared: this.#isShared,
        maxSize: MAX_REPEATED + 8 * this.reader.length,
        stale: this.#replaced,
      });
    }
    return value;
  }

  /** Puts a value on the stack. */
  push(value: unknown): void {
    this.#stack.push(value);
  }

  /** Takes the value on top. */
  pop(): unknown {
    if (this.#stack.length <= this.#floor) throw new PickleError("its stack is empty");
    return this.#stack.pop();
  }

  /** The value on top. */
  top(): unknown {
    if (this.#stack.length <= this.#floor) throw new PickleError("its stack is empty");
    return this.#stack[this.#stack.length - 1];
  }

  /** Copies the top. */
  duplicate(): void {
    this.#pushAgain(this.top());
  }

  /** Marks where the items of a container begin. */
  mark(): void {
    this.#floor = this.#stack.length;
    this.#marks.push(this.#floor);
  }

  /** Takes what is above the last mark, and the mark. */
  popMark(): unknown[] {
    const start = this.#marks.pop();
    if (start === undefined) throw new PickleError("it has no mark");
    this.#floor = this.#marks[this.#marks.length - 1] ?? 0;
    return this.#stack.splice(start);
  }

  /** `POP` takes a mark off when there is nothing above it. */
  discard(): void {
    if (this.#stack.length === this.#floor && this.#marks.length > 0) this.popMark();
    else this.pop();
  }

  /** Appends the top to the memo. */
  memoize(): void {
    this.#memo.push(this.top());
  }

  /** Puts the top into the memo. Picklers count up, so no valid index exceeds the number of bytes. */
  put(index: number | bigint): void {
    if (typeof index !== "number" || index < 0 || index > this.reader.length) {
      throw new PickleError(`it has no room for memo ${index}`);
    }
    this.#memo[index] = this.top();
  }

  /** Puts an entry of the memo on the stack. */
  get(index: number | bigint): void {
    const value = this.#memo[index as number];
    if (value === undefined) throw new PickleError(`its memo ${index} is empty`);
    this.#pushAgain(value);
  }

  #pushAgain(value: unknown): void {
    if (typeof value === "string" || value instanceof Uint8Array) {
      this.#repeated += value.length;
      if (this.#repeated > MAX_REPEATED + 8 * this.reader.length) {
        throw new PickleError("it repeats itself too often");
      }
    } else if (typeof value === "object" && value !== null) {
      this.#isShared = true;
      value = this.#replaced.get(value) ?? value;
    }
    this.#stack.push(value);
  }

  /** Puts a float on the stack; notes one that JavaScript would write as an integer, such as 1.0. */
  pushFloat(value: number): void {
    const isWhole = this.#isExact && Number.isInteger(value) && !Object.is(value, -0);
    this.#stack.push(isWhole ? new WholeFloat(value) : value);
  }

  /** Makes a list. */
  pushList(items: unknown[]): void {
    this.#containers += 1;
    this.#stack.push(this.#settle(items));
  }

  /** Makes a tuple. */
  pushTuple(items: unknown[]): void {
    this.#containers += 1;
    this.#settle(items);
    this.#stack.push(this.#isExact ? noteOrigin(items, "tuple") : items);
  }

  /** Makes a dict of keys and values in turn. */
  pushDict(entries: readonly unknown[]): void {
    this.#containers += 1;
    this.#stack.push({});
    this.setItems(entries);
  }

  /** Makes a set. */
  pushSet(items: readonly unknown[], origin?: Origin): void {
    this.#containers += 1;
    const set = new Set<unknown>();
    this.#stack.push(origin === undefined ? set : noteOrigin(set, origin));
    this.addItems(items);
  }

  /** Adds items to the list on top. */
  append(items: readonly unknown[]): void {
    const list = this.top();
    if (!Array.isArray(list)) throw new PickleError("it appends to a value that is not a list");
    for (const item of items) {
      if (item instanceof WholeFloat) noteFloat(list, list.length, item);
      list.push(plain(item));
    }
  }

  /** Adds items to the set on top. */
  addItems(items: readonly unknown[]): void {
    const set = this.top();
    if (!(set instanceof Set)) throw new PickleError("it adds to a value that is not a set");
    for (const item of items) {
      const value = plain(item);
      this.#isOdd ||= typeof value === "object";
      if (item instanceof WholeFloat && !set.has(value)) noteFloat(set, set.size, item);
      set.add(value);
    }
  }

  /** Sets keys and values of the dict on top. */
  setItems(entries: readonly unknown[]): void {
    let dict = this.top();
    if (!(dict instanceof Map) && !isDictObject(dict)) {
      throw new PickleError("it sets a key of a value that is not a dict");
    }
    if (entries.length % 2 === 1) throw new PickleError("a key of a dict has no value");
    for (let i = 0; i < entries.length; i += 2) {
      const key = entries[i];
      this.#isOdd ||= typeof key === "object";
      if (!(dict instanceof Map) && typeof key !== "string") dict = this.#toMap(dict as object);
      if (dict instanceof Map) setInMap(dict, key, entries[i + 1]);
      else this.#setInObject(dict as object, key as string, entries[i + 1]);
    }
  }

  /** Puts the name of an import on the stack, if it is known; refuses all others. */
  pushCallable(opcode: string, module: unknown, name: unknown): void {
    const callable = typeof module === "string" && typeof name === "string"
      ? knownCallable(module, name)
      : undefined;
    if (callable === undefined) {
      throw new PickleError(`${opcode} would import ${nameOf(module)}.${nameOf(name)}`);
    }
    this.#isOdd = true;
    this.#stack.push(new Callable(callable));
  }

  /** Makes the value that a known call stands for. */
  reduce(): void {
    const args = this.pop();
    const callable = this.pop();
    if (!(callable instanceof Callable) || !Array.isArray(args)) {
      throw new PickleError("REDUCE would call an unknown function");
    }
    // A copy: the program may still change the original.
    const value = makeOfCall(callable.name, keepSpelling(args, [...args]));
    if (value === undefined) {
      throw new PickleError(`REDUCE would call ${callable.name} with arguments it does not take`);
    }
    this.#containers += 1;
    this.#stack.push(value);
  }

  /** Unwraps whole floats, and notes them. */
  #settle(items: unknown[]): unknown[] {
    if (!this.#isExact) return items;
    for (let i = 0; i < items.length; i++) {
      const item = items[i];
      if (!(item instanceof WholeFloat)) continue;
      noteFloat(items, i, item);
      items[i] = item.value;
    }
    return items;
  }

  #setInObject(object: object, key: string, value: unknown): void {
    if (this.#isExact) {
      const spelling = spellingOf(object);
      if (value instanceof WholeFloat) noteFloat(object, key, value);
      else spelling?.numbers.delete(key);
      const isNew = !Object.hasOwn(object, key);
      if (isNew && (spelling?.keys !== undefined || INDEX.test(key))) noteKey(object, key);
    }
    define(object, key, plain(value));
  }

  /** A dict becomes a `Map` at its first key that is not a string. */
  #toMap(object: object): Map<unknown, unknown> {
    const map = new Map<unknown, unknown>();
    const spelling = spellingOf(object);
    for (const key of spelling?.keys ?? Object.keys(object)) {
      const text = spelling?.numbers.get(key);
      const value = (object as Record<string, unknown>)[key];
      setInMap(map, key, text === undefined ? value : new WholeFloat(text.value));
    }
    this.#replaced.set(object, map);
    this.#stack[this.#stack.length - 1] = map;
    return map;
  }
}

/** Formats a name for an error. */
function nameOf(name: unknown): string {
  if (typeof name !== "string") {
    return typeof name === "object" ? "(an object)" : `(a ${typeof name})`;
  }
  return /^[\w.<>]{1,80}$/.test(name) ? name : JSON.stringify(name.slice(0, 80));
}

function isDictObject(value: unknown): boolean {
  return typeof value === "object" && value !== null && !Object.isFrozen(value) &&
    Object.getPrototypeOf(value) === Object.prototype;
}
