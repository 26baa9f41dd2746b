/**
 * Random values and pickles for the tests of `PickleEncoder`, those included that somebody
 * made to do harm.
 *
 * @module
 */
import { assertEquals, assertThrows } from "@std/assert";
import fc from "fast-check";
import { DecodeError, PickleEncoder } from "@dq/dramatiq";
import { OPCODES } from "../../encoders/pickle/opcodes.ts";
import { PickleError } from "../../encoders/pickle/reader.ts";
import { fromBase64 } from "../support/vectors.ts";
import pickles from "../vectors/pickle.json" with { type: "json" };
import { anyKey, anyNumber, anyText } from "./json_arbitraries.ts";

/** A pickle of pieces: text stands for its bytes in Latin-1. */
export function program(...pieces: readonly (string | number | readonly number[])[]): Uint8Array {
  return Uint8Array.from(pieces.flatMap((piece) => {
    return typeof piece === "string" ? [...bytesOf(piece)] : piece;
  }));
}

/** Text as bytes in Latin-1. */
export function bytesOf(text: string): Uint8Array {
  return Uint8Array.from(text, (character) => character.charCodeAt(0));
}

/** Values that are written, and read as equal ones. */
export const pickleValue: fc.Arbitrary<unknown> = fc.letrec<{ value: unknown }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 4, withCrossShrink: true },
    fc.oneof(fc.constant(null), fc.boolean(), anyText, anyNumber, unsafeBigInt(), date(), bytes()),
    fc.array(tie("value"), { maxLength: 5 }),
    fc.array(fc.tuple(anyKey, tie("value")), { maxLength: 5 }).map(Object.fromEntries),
    fc.uniqueArray(fc.oneof(anyText, anyNumber.filter((n) => !Object.is(n, -0))), { maxLength: 5 })
      .map((items) => new Set(items)),
    fc.array(fc.tuple(fc.integer(), tie("value")), { minLength: 1, maxLength: 5 })
      .map((entries) => new Map(entries)),
  ),
})).value;

function unsafeBigInt(): fc.Arbitrary<bigint> {
  return fc.bigInt().filter((n) => !Number.isSafeInteger(Number(n)));
}

function date(): fc.Arbitrary<Date> {
  return fc.date({
    min: new Date("0001-01-01T00:00:00Z"),
    max: new Date("9999-12-31T23:59:59.999Z"),
    noInvalidDate: true,
  });
}

function bytes(): fc.Arbitrary<Uint8Array> {
  return fc.uint8Array({ maxLength: 300 });
}

const encoder = new PickleEncoder();
const captured = [...pickles.cases, ...pickles.pickle_only_cases, ...pickles.decode_cases]
  .map(({ base64 }) => fromBase64(base64))
  .filter(({ length }) => length < 1_000);

/** Opcodes, and what often follows them. */
const PIECES: readonly Uint8Array[] = [
  ...OPCODES.flatMap((opcode, code) => opcode === undefined ? [] : [Uint8Array.of(code)]),
  ...["__proto__\n", "constructor\n", "cos\nsystem\n", "cbuiltins\nset\n", "cdatetime\ndatetime\n"]
    .map(bytesOf),
  ...["I99999999\n", "L9", "\x8e\xff\xff\xff\xff\0\0\0\0", "X\xff\xff\xff\x7f", "h\0", "\x94h\0a"]
    .map(bytesOf),
  program(0x8c, 9, "__proto__"),
  program(0x8b, [0xff, 0xff, 0xff, 0x7f]),
  bytesOf("]".repeat(2_000)),
  bytesOf("\x85".repeat(2_000)),
  bytesOf("h\0h\0\x86\x94"),
];

/** What a pickle of protocol 4 has between its header and its end; a frame would tell its length. */
function bodyOf(pickle: Uint8Array): Uint8Array {
  const start = pickle[0] === 0x80 ? (pickle[2] === 0x95 ? 11 : 2) : 0;
  return pickle.subarray(start, -1);
}

const start: fc.Arbitrary<Uint8Array> = fc.oneof(
  fc.constantFrom(...captured),
  fc.constantFrom(...captured.map(bodyOf)),
  pickleValue.map((value) => bodyOf(encoder.encode(value))),
);

const piece: fc.Arbitrary<Uint8Array> = fc.oneof(
  fc.constant(new Uint8Array()),
  fc.uint8Array({ minLength: 1, maxLength: 3 }),
  fc.constantFrom(...PIECES),
  pickleValue.map((value) => bodyOf(encoder.encode(value))),
);

/** Pickles of Python, and of random values, with a few bytes or opcodes changed. */
export const mutatedPickle: fc.Arbitrary<Uint8Array> = fc.tuple(
  start,
  fc.array(fc.record({ at: fc.nat(), length: fc.nat({ max: 3 }), piece }), {
    minLength: 1,
    maxLength: 3,
  }),
).map(([start, edits]) => {
  const edited = edits.reduce((now, { at, length, piece }) => {
    const place = at % (now.length + 1);
    return program([...now.subarray(0, place)], [...piece], [...now.subarray(place + length)]);
  }, start);
  return program([...edited], ".");
});

/** Programs of values and opcodes in any order. */
export const randomProgram: fc.Arbitrary<Uint8Array> = fc
  .array(
    fc.oneof(piece, fc.constantFrom(..."()]}0123Nae\x85\x86\x87\x8f\x94".split("").map(bytesOf))),
    {
      maxLength: 40,
    },
  )
  .map((pieces) => program(...pieces.map((piece) => [...piece]), "."));

/**
 * Reads a pickle that may be anything.
 *
 * @returns Whether it is a value; then that can be written and read again.
 * @throws If reading it does anything but give a value or a `DecodeError`.
 */
export function isReadable(pickle: Uint8Array): boolean {
  let value: unknown;
  try {
    value = encoder.decode(pickle);
  } catch (error) {
    if (!(error instanceof DecodeError) || error.data !== pickle) throw error;
    if (!(error.cause instanceof PickleError)) throw error.cause;
    assertThrows(() => encoder.decodeExactly(pickle), DecodeError);
    return false;
  }
  const exact = encoder.decodeExactly(pickle);
  for (const again of [exact, encoder.decode(encoder.encode(exact)), reread(value)]) {
    if (!isSame(again, value, new Map())) assertEquals(again, value, "It reads as another value");
  }
  return true;
}

function reread(value: unknown): unknown {
  return encoder.decode(encoder.encode(value));
}

/**
 * True if values are equal, and in the same order. `assertEquals` does not find maps equal
 * whose keys are arrays, on some runtimes, and looks at what is shared as often as it comes.
 */
function isSame(a: unknown, b: unknown, seen: Map<unknown, unknown>): boolean {
  if (typeof a !== "object" || a === null) return Object.is(a, b);
  if (seen.get(a) === b) return true;
  seen.set(a, b);
  if (Object.getPrototypeOf(a) !== Object.getPrototypeOf(b)) return false;
  const [left, right] = [partsOf(a), partsOf(b as object)];
  return left.length === right.length && left.every((part, i) => isSame(part, right[i], seen));
}

function partsOf(value: object): readonly unknown[] {
  if (Array.isArray(value)) return value;
  if (value instanceof Date) return [value.getTime()];
  if (value instanceof Map) return [...value.keys(), ...value.values()];
  if (value instanceof Set || value instanceof Uint8Array) return [...value];
  return Object.entries(value).flat();
}

/** Makes sure that nothing has been added to what all objects share. */
export function assertPrototypesUntouched(): void {
  for (const { prototype } of [Object, Array, Map, Set, Uint8Array, Date]) {
    const strange = Object.keys(prototype);
    if (strange.length > 0) throw new Error(`Prototypes were reached: ${strange.join(", ")}`);
  }
}
