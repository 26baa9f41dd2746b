/**
 * Values that Python pickles as a call of an import. Nothing is imported or called here:
 * this module knows these few calls, all of Python's own plain types, as ways to write a
 * value. It refuses all others.
 *
 * Sources: `pickle_only_cases` in `tests/vectors/pickle.json`; the output of Python 3.11 for
 * the same values in protocols 0 to 5.
 *
 * @module
 */
import { noteOrigin, originOf, type PickledCall } from "./origin.ts";
import { keepSpelling } from "../spelling.ts";

/** Makes a value from the arguments of a call; `undefined` if they are invalid. */
type Make = (args: readonly unknown[]) => unknown;

/** Result of an import: the name of a known callable, which is not a value. */
export class Callable {
  /** Module and name. */
  readonly name: string;

  constructor(name: string) {
    this.name = name;
  }
}

/** The offset of a `datetime.timezone`: a part of a datetime, and no value by itself. */
class PythonTimezone {
  /** Milliseconds east of UTC. */
  readonly offset: number;

  /** @param offset Milliseconds east of UTC. */
  constructor(offset: number) {
    this.offset = offset;
  }
}

const CALLS: ReadonlyMap<string, Make> = /* @__PURE__ */ new Map<string, Make>([
  ["builtins.set", makeSet],
  ["builtins.frozenset", (args) => {
    const set = makeSet(args);
    return set && noteOrigin(set, "frozenset");
  }],
  ["builtins.bytes", (args) => args.length === 0 ? new Uint8Array() : undefined],
  ["builtins.bytearray", (args) => {
    const bytes = makeByteArray(args);
    return bytes && noteOrigin(bytes, "bytearray");
  }],
  ["builtins.complex", makeComplex],
  ["_codecs.encode", makeBytes],
  ["datetime.datetime", makeDatetime],
  ["datetime.date", makeDate],
  ["datetime.timedelta", makeTimedelta],
  ["datetime.timezone", makeTimezone],
]);

/** Types of values that are written as the call that they were read from. */
const KEPT: ReadonlySet<string> = /* @__PURE__ */ new Set([
  "builtins.complex",
  "datetime.datetime",
  "datetime.date",
  "datetime.timedelta",
  "datetime.timezone",
]);

/** True if something is a part of a call rather than a value. */
export function isPart(value: unknown): boolean {
  return value instanceof Callable || value instanceof PythonTimezone;
}

/** @returns Module and name in Python 3, if calls of it are known. */
export function knownCallable(module: string, name: string): string | undefined {
  const callable = `${module === "__builtin__" ? "builtins" : module}.${name}`;
  return CALLS.has(callable) ? callable : undefined;
}

/**
 * Makes the value that a known call stands for.
 *
 * @param callable As {@linkcode knownCallable} gave it.
 * @param args Its arguments.
 * @returns The value; `undefined` if the arguments are invalid.
 */
export function makeOfCall(callable: string, args: readonly unknown[]): unknown {
  const value = CALLS.get(callable)!(args);
  if (value !== undefined && KEPT.has(callable)) noteOrigin(value as object, { callable, args });
  return value;
}

/**
 * Returns the call as which a `Date` is written.
 *
 * @param date A valid date within the years of Python's datetime.
 * @returns The call that it was read from, if its time has not changed; else a datetime in UTC.
 */
export function callOfDate(date: Date): PickledCall {
  const origin = originOf(date);
  if (typeof origin === "object" && makeTime(origin) === date.getTime()) return origin;
  const fields = Uint8Array.of(
    date.getUTCFullYear() >> 8,
    date.getUTCFullYear() & 0xff,
    date.getUTCMonth() + 1,
    date.getUTCDate(),
    date.getUTCHours(),
    date.getUTCMinutes(),
    date.getUTCSeconds(),
    ...threeBytes(date.getUTCMilliseconds() * 1_000),
  );
  return { callable: "datetime.datetime", args: [fields, utc()] };
}

function makeTime({ callable, args }: PickledCall): number | undefined {
  return (CALLS.get(callable)!(args) as Date | undefined)?.getTime();
}

function utc(): object {
  const none = noteOrigin({}, { callable: "datetime.timedelta", args: [0, 0, 0] });
  return noteOrigin(new PythonTimezone(0), { callable: "datetime.timezone", args: [none] });
}

function threeBytes(value: number): [number, number, number] {
  return [value >> 16, value >> 8 & 0xff, value & 0xff];
}

function makeSet([items, ...more]: readonly unknown[]): Set<unknown> | undefined {
  if (!Array.isArray(items) || more.length > 0) return undefined;
  return keepSpelling(items, new Set(items));
}

/** `bytearray(b"…")`, or `bytearray("…", "latin-1")` in the protocols 0 to 2. */
function makeByteArray(args: readonly unknown[]): Uint8Array | undefined {
  if (args.length === 0) return new Uint8Array();
  const [content] = args;
  if (args.length === 1 && content instanceof Uint8Array) return new Uint8Array(content);
  return makeBytes(args);
}

/** `encode("…", "latin1")`: bytes in the protocols 0 to 2. */
function makeBytes([text, encoding, ...more]: readonly unknown[]): Uint8Array | undefined {
  if (typeof text !== "string" || more.length > 0) return undefined;
  if (encoding !== "latin1" && encoding !== "latin-1") return undefined;
  const bytes = Uint8Array.from(text, (character) => character.charCodeAt(0));
  return /[^\0-\xff]/.test(text) ? undefined : bytes;
}

function makeComplex([real, imag, ...more]: readonly unknown[]): object | undefined {
  if (typeof real !== "number" || typeof imag !== "number" || more.length > 0) return undefined;
  return Object.freeze({ real, imag });
}

/** Year (2 bytes), month, day, hour, minute, second, microsecond (3 bytes); maybe a zone. */
function makeDatetime([fields, zone, ...more]: readonly unknown[]): Date | undefined {
  if (!(fields instanceof Uint8Array) || fields.length !== 10 || more.length > 0) return undefined;
  if (zone !== undefined && !(zone instanceof PythonTimezone)) return undefined;
  const [hour, minute, second, high, middle, low] = fields.subarray(4) as unknown as [
    number,
    number,
    number,
    number,
    number,
    number,
  ];
  const microsecond = high << 16 | middle << 8 | low;
  const date = makeDay(fields);
  if (date === undefined || hour > 23 || minute > 59 || second > 59 || microsecond > 999_999) {
    return undefined;
  }
  date.setUTCHours(hour, minute, second, Math.floor(microsecond / 1_000));
  date.setTime(date.getTime() - (zone?.offset ?? 0));
  return date;
}

function makeDate([fields, ...more]: readonly unknown[]): Date | undefined {
  if (!(fields instanceof Uint8Array) || fields.length !== 4 || more.length > 0) return undefined;
  return makeDay(fields);
}

function makeDay(fields: Uint8Array): Date | undefined {
  const year = fields[0]! << 8 | fields[1]!;
  const month = fields[2]! & 0x7f; // the highest bit is `fold`: the second of two equal hours
  const day = fields[3]!;
  const date = new Date(0);
  date.setUTCFullYear(year, month - 1, day);
  const isDay = year >= 1 && year <= 9_999 && date.getUTCMonth() === month - 1 &&
    date.getUTCDate() === day;
  return isDay ? date : undefined;
}

const DAY = 86_400_000;

/** Days, seconds and microseconds, of which only the days may be negative. */
function makeTimedelta(args: readonly unknown[]): object | undefined {
  if (args.length !== 3 || !args.every(Number.isInteger)) return undefined;
  const [days, seconds, microseconds] = args as [number, number, number];
  if (Math.abs(days) > 999_999_999 || seconds < 0 || seconds >= 86_400) return undefined;
  if (microseconds < 0 || microseconds >= 1_000_000) return undefined;
  return Object.freeze({ days, seconds, milliseconds: microseconds / 1_000 });
}

function makeTimezone([delta, name, ...more]: readonly unknown[]): PythonTimezone | undefined {
  const origin = typeof delta === "object" && delta !== null ? originOf(delta) : undefined;
  if (typeof origin !== "object" || origin.callable !== "datetime.timedelta") return undefined;
  if (more.length > 0 || (name !== undefined && typeof name !== "string")) return undefined;
  const { days, seconds, milliseconds } = delta as Record<string, number> as {
    days: number;
    seconds: number;
    milliseconds: number;
  };
  const offset = days * DAY + seconds * 1_000 + milliseconds;
  return Math.abs(offset) < DAY ? new PythonTimezone(offset) : undefined;
}
