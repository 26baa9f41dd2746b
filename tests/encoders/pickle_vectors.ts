/**
 * Pickles of Python, and what it meant by them.
 *
 * @module
 */
import { assertEquals } from "@std/assert";
import {
  fromBase64,
  type MessageVectors,
  type Tagged,
  type TaggedMessage,
} from "../support/vectors.ts";
import messages from "../vectors/messages.json" with { type: "json" };
import pickles from "../vectors/pickle.json" with { type: "json" };

/** An entry of `cases` or `pickle_only_cases` in pickle.json. */
interface PickleCase {
  readonly label: string;
  readonly base64: string;
  readonly input?: TaggedMessage;
}

/** A pickle of Python. */
export interface PickleVector {
  readonly label: string;
  /** Bytes written by Python. */
  readonly bytes: Uint8Array;
  /** Its value in JavaScript. */
  value(): unknown;
}

const inputs = new Map(
  (messages as unknown as MessageVectors).cases.map(({ label, input }) => [label, input]),
);

/** All messages that Python pickled. */
export const VECTORS: readonly PickleVector[] =
  ([...pickles.cases, ...pickles.pickle_only_cases] as unknown as PickleCase[]).map(
    ({ label, base64, input }) => ({
      label,
      bytes: fromBase64(base64),
      value: () => untagPickled(input ?? inputs.get(label)!),
    }),
  );

/** Messages that JavaScript cannot make from scratch with the same types, and why. */
export const NOT_MADE_HERE: ReadonlyMap<string, string> = new Map([
  ["floats", "a number has no type: 1.0 is 1"],
  ["tuples", "a tuple is an array, and so is a list"],
  ["non-string-keys", "a number has no type: 2.0 is 2"],
  ["integer-like-keys", "objects put such keys first, in numeric order"],
  ["only-pickle-tuple-kept", "a tuple is an array, and so is a list"],
  ["only-pickle-frozenset", "a frozenset is a Set, and so is a set"],
  ["only-pickle-datetime", "a Date is sent as a datetime in UTC"],
  ["only-pickle-timedelta", "it is an object like any other"],
  ["only-pickle-complex", "it is an object like any other"],
]);

/** Values of the captures, as `PickleEncoder` reads them from a pickle. */
function untagPickled(tagged: Tagged): unknown {
  if (typeof tagged !== "object" || tagged === null) return tagged;
  if (Array.isArray(tagged)) return tagged.map(untagPickled);
  const entries = Object.entries(tagged);
  const [name, content] = entries[0] ?? [""];
  if (entries.length === 1 && name.startsWith("$")) return untagOne(name, content);
  return Object.fromEntries(entries.map(([key, value]) => [key, untagPickled(value)]));
}

function untagOne(tag: string, content: unknown): unknown {
  switch (tag) {
    case "$int":
      return BigInt(content as string);
    case "$float":
      return Number(String(content).replace("inf", "Infinity").replace("nan", "NaN"));
    case "$tuple":
      return (content as Tagged[]).map(untagPickled);
    case "$set":
      return new Set((content as Tagged[]).map(untagPickled));
    case "$bytes":
      return fromBase64(content as string);
    case "$pairs": {
      const pairs = (content as Tagged[][]).map((pair) => pair.map(untagPickled));
      const hasTextKeys = pairs.every(([key]) => typeof key === "string");
      return hasTextKeys
        ? Object.fromEntries(pairs as [string, unknown][])
        : new Map(pairs as [unknown, unknown][]);
    }
    case "$datetime":
      return new Date(`${content}Z`);
    case "$timedelta_seconds": {
      const seconds = Number(content);
      const whole = Math.floor(seconds);
      return { days: 0, seconds: whole, milliseconds: (seconds - whole) * 1_000 };
    }
    case "$python":
      assertEquals(content as string, "complex");
      return { real: 1, imag: 2 };
    default:
      throw new TypeError(`Cannot untag ${tag}`);
  }
}
