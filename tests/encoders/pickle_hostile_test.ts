/**
 * Malicious and corrupt pickles: each is a `DecodeError`.
 *
 * @module
 */
import { assert, assertEquals, assertMatch, assertStringIncludes, assertThrows } from "@std/assert";
import { DecodeError, PickleEncoder } from "@dq/dramatiq";
import fc from "fast-check";
import { MAX_DEPTH } from "../../encoders/json/writer.ts";
import { test } from "../support/test.ts";
import {
  assertPrototypesUntouched,
  isReadable,
  mutatedPickle,
  program,
  randomProgram,
} from "./pickle_arbitraries.ts";

const encoder = new PickleEncoder();

test("PickleEncoder refuses what would import, call or make an object, by the opcode's name", () => {
  const classes = "Va\n)";
  const cases: [string, Uint8Array][] = [
    ["GLOBAL would import os.system", program("cos\nsystem\n(Vls\ntR.")],
    [
      "STACK_GLOBAL would import posix.system",
      program("Vposix\nVsystem\n", [0x93], "Vls\n", [0x85], "R."),
    ],
    ["GLOBAL would import builtins.eval", program("cbuiltins\neval\n.")],
    ["GLOBAL would import builtins.__proto__", program("cbuiltins\n__proto__\n.")],
    ["STACK_GLOBAL would import (a number).(an object)", program("K\x01N", [0x93], ".")],
    ["INST", program("(ios\nsystem\n.")],
    ["OBJ", program("(cbuiltins\nset\no.")],
    ["NEWOBJ", program(classes, [0x81], ".")],
    ["NEWOBJ_EX", program(classes, "}", [0x92], ".")],
    ["BUILD", program("}}b.")],
    ["EXT1", program([0x82, 1], ".")],
    ["EXT2", program([0x83, 1, 0], ".")],
    ["EXT4", program([0x84, 1, 0, 0, 0], ".")],
    ["PERSID", program("P1\n.")],
    ["BINPERSID", program("K\x01Q.")],
    ["NEXT_BUFFER", program([0x97], ".")],
    ["READONLY_BUFFER", program("N", [0x98], ".")],
    ["REDUCE would call an unknown function", program("Vx\n)R.")],
    ["REDUCE would call an unknown function", program("cbuiltins\nset\nVx\nR.")],
    ["REDUCE would call builtins.set with", program("cbuiltins\nset\n(K\x01tR.")],
    ["REDUCE would call builtins.bytes with", program("cbuiltins\nbytes\n(K\x64tR.")],
    ["REDUCE would call datetime.datetime with", program("cdatetime\ndatetime\n(C\x01atR.")],
    ["REDUCE would call datetime.timezone with", program("cdatetime\ntimezone\n(K\x01tR.")],
    ["an import or a time zone as a value", program("(cbuiltins\nset\nl.")],
    ["an import or a time zone as a value", program("cbuiltins\nset\n.")],
    ["an import or a time zone as a value", program("}cbuiltins\nset\nK\x01s.")],
  ];
  for (const [reason, bytes] of cases) {
    const error = assertThrows(() => encoder.decode(bytes), DecodeError);
    assertStringIncludes(error.message, reason);
    assert(error.data === bytes);
  }
});

test("PickleEncoder refuses pickles that are cut off, too long, or make no sense", () => {
  const cases: [string, Uint8Array][] = [
    ["it ends too early", program("X", [0xff, 0xff, 0xff, 0xff], "abc.")],
    ["it ends too early", program("B", [0xff, 0xff, 0xff, 0x7f], "abc.")],
    ["it ends too early", program([0x8e, 255, 255, 255, 255, 255, 255, 255, 255], "abc.")],
    ["it ends too early", program("(((((")],
    ["a frame of 18446744073709552000 bytes", program([0x95, ...Array(8).fill(255)], "N.")],
    ["more than 65536", program([0x8b, 0, 0, 0, 0x40], ".")],
    ["its stack is empty", program(".")],
    ["its stack is empty", program("(.")],
    ["its stack is empty", program("K\x01(a.")],
    ["it has no mark", program("Nt.")],
    ["its memo 5 is empty", program("h\x05.")],
    ["its memo -1 is empty", program("g-1\n.")],
    ["it has no room for memo 4294967295", program("Nr", [255, 255, 255, 255], ".")],
    ["it has no room for memo -1", program("Np-1\n.")],
    ["no room for memo 100000000000000000000000", program("Np100000000000000000000000\n.")],
    ["it appends to a value that is not a list", program("}Na.")],
    ["it adds to a value that is not a set", program("](N", [0x90], ".")],
    ["it sets a key of a value that is not a dict", program("]NNs.")],
    ["a key of a dict has no value", program("(Nd.")],
    ["it is of protocol 6", program([0x80, 6], "N.")],
    ["0xff is not an opcode", program([0xff], ".")],
    ["a text is not UTF-8", program([0x8c, 2, 0xc3, 0x28], ".")],
    ["a text is not UTF-8", program([0x8c, 3, 0xed, 0xa0, 0x28], ".")],
    ["a text is not UTF-8", program([0x8c, 4, 0xf5, 0x80, 0x80, 0x80], ".")],
    ["a text of Python 2 is not ASCII", program("U\x01", [0xe9], ".")],
    ["a text has no quotes", program("Sabc\n.")],
    ["an escape is cut off", program("V\\u12\n.")],
    ["an escape is beyond Unicode", program("V\\U00110000\n.")],
    ['"1_0" is not an integer', program("I1_0\n.")],
    ['"0x10" is not an integer', program("L0x10\n.")],
    ["is not an integer, or is too long", program(`L${"9".repeat(4_301)}L\n.`)],
    ['"1e" is not a float', program("F1e\n.")],
    ["it ends in the middle of a line", program("I1")],
  ];
  for (const [reason, bytes] of cases) {
    assertStringIncludes(assertThrows(() => encoder.decode(bytes), DecodeError).message, reason);
  }
  assertThrows(() => encoder.decode("text"), DecodeError, "it is text, not bytes");
});

test("PickleEncoder makes no cycle, no bomb and no depth that others would choke on", () => {
  const cases: [string, Uint8Array][] = [
    ["a value contains itself", program("]", [0x94], "h\0a.")],
    ["a value contains itself", program("}", [0x94], "Va\nh\0s.")],
    ["a value contains itself", program("]", [0x94], "h\0", [0x85], "a.")],
    ["is a key in it, or in a set", program("}}K\x01s.")],
    ["is a key in it, or in a set", program("}}", [0x85], "K\x01s.")],
    ["is a key in it, or in a set", program([0x8f], "(", [0x8f, 0x90], ".")],
    ["is a key in it, or in a set", program([0x8f], "(", [0x96], "\0\0\0\0\0\0\0\0", [0x90], ".")],
    ["a dict in it changed after", program("}", [0x94], "0]h\0ah\0K\x01K\x01s0.")],
    [`nested more than ${MAX_DEPTH} deep`, program("]".repeat(100_000), "a".repeat(99_999), ".")],
    [`nested more than ${MAX_DEPTH} deep`, program("N", Array(100_000).fill(0x85), ".")],
    [`nested more than ${MAX_DEPTH} deep`, topDown(1_000)],
    ["it repeats itself too often", doubling(60)],
    ["it repeats itself too often", repeating(1_000_000, 20_000)],
  ];
  for (const [reason, bytes] of cases) {
    assertStringIncludes(assertThrows(() => encoder.decode(bytes), DecodeError).message, reason);
  }
  let deep: unknown = 1;
  for (let i = 0; i < MAX_DEPTH; i++) deep = [deep];
  assertEquals(encoder.decode(encoder.encode(deep)), deep);
});

test("PickleEncoder takes keys such as __proto__ for keys, and reaches no prototype", () => {
  const hostile = program("}(V__proto__\n}Vpolluted\nI01\nsVconstructor\n}Vprototype\n}su.");
  for (const value of [encoder.decode(hostile), encoder.decodeExactly(hostile)]) {
    assertEquals(Object.keys(value as object), ["__proto__", "constructor"]);
    assertEquals(Object.getPrototypeOf(value), Object.prototype);
  }
  assertEquals(({} as Record<string, unknown>)["polluted"], undefined);
  const call = assertThrows(
    () => encoder.decode(program("c__proto__\nconstructor\n.")),
    DecodeError,
  );
  assertStringIncludes(call.message, "would import __proto__.constructor");
});

test("PickleEncoder gives a value or a DecodeError for any pickle, and reaches no prototype", () => {
  const found = { values: 0, refused: 0 };
  fc.assert(
    fc.property(fc.oneof(mutatedPickle, randomProgram), (pickle) => {
      found[isReadable(pickle) ? "values" : "refused"] += 1;
    }),
    { numRuns: 2_000 },
  );
  assertPrototypesUntouched();
  assert(found.values > 100 && found.refused > 100, JSON.stringify(found));
});

test("PickleEncoder reads pickles up to maxLength", () => {
  const small = new PickleEncoder({ maxLength: 100 });
  assertEquals(small.decode(encoder.encode("x".repeat(50))), "x".repeat(50));
  const error = assertThrows(() => small.decode(encoder.encode("x".repeat(100))), DecodeError);
  assertMatch(error.message, /^Cannot decode pickle: it has 105 bytes, maxLength is 100$/);
  for (const maxLength of [0, -1, NaN]) {
    assertThrows(() => new PickleEncoder({ maxLength }), RangeError, `up to ${maxLength} bytes`);
  }
});

/** Nests from the outside in, so that each list is whole only after it was stored. */
function topDown(depth: number): Uint8Array {
  const pieces: (string | number[])[] = ["]", [0x94]];
  for (let i = 1; i < depth; i++) {
    pieces.push("]", [0x94], "0", "j", int32(i - 1), "j", int32(i), "a0");
  }
  return program(...pieces, "j", int32(0), ".");
}

/** Each list holds the one before it twice. */
function doubling(levels: number): Uint8Array {
  const step = (i: number) => ["h", [i], "h", [i], [0x86], [0x94]];
  return program("]", [0x94], ...Array.from({ length: levels }, (_, i) => step(i)).flat(), ".");
}

/** A long text, many times. */
function repeating(length: number, count: number): Uint8Array {
  return program(
    "]",
    "X",
    int32(length),
    "x".repeat(length),
    [0x94],
    "0(",
    "h\0".repeat(count),
    "e.",
  );
}

function int32(value: number): number[] {
  return [value & 0xff, value >> 8 & 0xff, value >> 16 & 0xff, value >>> 24];
}
