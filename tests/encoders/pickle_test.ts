import { Buffer } from "node:buffer";
import {
  assert,
  assertEquals,
  assertInstanceOf,
  assertMatch,
  assertStringIncludes,
  assertThrows,
} from "@std/assert";
import { DecodeError, getEncoder, Message, PickleEncoder, setEncoder } from "@dq/dramatiq";
import fc from "fast-check";
import { MAX_DEPTH } from "../../encoders/json/writer.ts";
import { test } from "../support/test.ts";
import { bytesOf, pickleValue, program } from "./pickle_arbitraries.ts";

const encoder = new PickleEncoder();

test("PickleEncoder decodes what it encoded, in all ways", () => {
  fc.assert(
    fc.property(pickleValue, (value) => {
      const bytes = encoder.encode(value);
      assertEquals(encoder.decode(bytes), value);
      assertEquals(encoder.decodeExactly(bytes), value);
      assertEquals(encoder.decode(Buffer.from(bytes)), value);
      assertEquals(encoder.encode(encoder.decodeExactly(bytes)), bytes);
    }),
    { numRuns: 500 },
  );
});

test("PickleEncoder gives bytes of their own, not a view of what it read or wrote", () => {
  const pickle = encoder.encode(Uint8Array.of(1, 2, 3));
  assertEquals(pickle.byteLength, pickle.buffer.byteLength);
  const read = encoder.decode(pickle) as Uint8Array;
  pickle.fill(0);
  assertEquals([...read], [1, 2, 3]);
  assertEquals(read.constructor, Uint8Array);
});

test("PickleEncoder.decodeExactly writes what was changed as it is now", () => {
  const bytes = encoder.encode(new Map<unknown, unknown>([["list", [1, 2]]]));
  const exact = encoder.decodeExactly(
    program("}", "Va\n", "G", [0x3f, 0xf0, 0, 0, 0, 0, 0, 0], "s", "."),
  ) as Record<string, unknown>;
  assertStringIncludes(String(encoder.encode(exact)), "71,63,240"); // BINFLOAT 1.0
  exact["a"] = 2;
  assertEquals(encoder.encode(exact), encoder.encode({ a: 2 }));
  assertEquals(encoder.decode(bytes), { list: [1, 2] });
});

test("PickleEncoder sends a value on as the Python type it came as, in the same object", () => {
  const frozen = encoder.decode(program("(K\x01", [0x91], ".")) as Set<number>;
  assertEquals([...encoder.encode(frozen).subarray(2)], [...program("(K\x01", [0x91, 0x94], ".")]);
  const instant = encoder.decode(encoder.encode(new Date(5))) as Date;
  assertEquals(encoder.decode(encoder.encode(instant)), new Date(5));
  instant.setTime(7);
  assertEquals(encoder.decode(encoder.encode(instant)), new Date(7));
});

test("PickleEncoder names the place of what it cannot encode", () => {
  class Account {}
  const cyclic: unknown[] = [];
  cyclic.push([cyclic]);
  let deep: unknown = 1;
  for (let i = 0; i <= MAX_DEPTH; i++) deep = [deep];
  const cases: [unknown, RegExp][] = [
    [undefined, /^Cannot encode the value: undefined is not Python/],
    [{ a: [1, undefined] }, /^Cannot encode a\[1\]: undefined/],
    [[() => 1], /^Cannot encode \[0\]: a function is not Python/],
    [{ "odd key": Symbol("x") }, /^Cannot encode \["odd key"\]: a symbol/],
    [[new Account()], /^Cannot encode \[0\]: a Account would not arrive as one/],
    [[new Date(NaN)], /^Cannot encode \[0\]: an invalid Date/],
    [[new Date(8.64e15)], /^Cannot encode \[0\]: Python has no datetime in the year 275760/],
    [[new Float64Array(1)], /Float64Array would not arrive/],
    [cyclic, /^Cannot encode \[0\]\[0\]: it refers back to itself/],
    [deep, /nested more than 900 deep/],
    [new Map([[Account, 1]]), /a function is not Python/],
    [new Map([[{ a: 1 }, 1]]), /Python cannot have a dict as a key, or in a set$/],
    [new Set([[new Map()]]), /Python cannot have a dict as a key, or in a set$/],
  ];
  for (const [value, message] of cases) {
    assertMatch(assertThrows(() => encoder.encode(value), TypeError).message, message);
  }
});

test("PickleEncoder reads what pickles of old protocols hold", () => {
  const cases: [unknown, Uint8Array][] = [
    ["a\nA\\é", program("Va\\u000aA\\u005c", [0xe9], "\n.")],
    ["a\\\\u0041 😀", program("Va\\\\u0041 \\U0001f600\n.")],
    ["it's \n \x41 A", program("S'it\\'s \\n \\x41 \\101'\n.")],
    ["Python 2", program("U\x08Python 2.")],
    ["Python 2", program("T\x08\0\0\0Python 2.")],
    [[true, false, 1, 0], program("(I01\nI00\nI1\nI0\nl.")],
    [[123n ** 20n, -5], program(`(L${123n ** 20n}L\nL-5L\nl.`)],
    [[1.5, Infinity, NaN], program("(F1.5\nFinf\nFnan\nl.")],
    [{ a: 1 }, program("(Va\nI1\nd.")],
    [new Set([1]), program("c__builtin__\nset\n((lp0\nI1\natR.")],
    [Uint8Array.of(0xe9), program("c_codecs\nencode\n(V", [0xe9], "\nVlatin1\ntR.")],
    [new Uint8Array(), program("c__builtin__\nbytes\n)R.")],
    [[1, 1], program("K\x012", [0x86], ".")],
    ["top", program("(K\x01K\x021Vtop\n.")],
    [5, program("K\x05(0.")],
  ];
  for (const [value, bytes] of cases) assertEquals(encoder.decode(bytes), value);
});

test("PickleEncoder keeps shared objects shared, up to a plausible number", () => {
  const row = { description: "text", values: [1, 2, 3] };
  const table = Array(50_000).fill(row);
  const read = encoder.decode(encoder.encode(table)) as (typeof row)[];
  assertEquals(read.length, 50_000);
  assert(read[0] === read[49_999]);
});

test("Message.decode takes no pickled dict with odd keys, set or date for kwargs or options", () => {
  const fields = {
    queue_name: "q",
    actor_name: "a",
    args: [],
    kwargs: {},
    options: {},
    message_id: "m",
    message_timestamp: 1,
  };
  const before = getEncoder();
  setEncoder(encoder);
  try {
    assertEquals(Message.decode(encoder.encode(fields)).queueName, "q");
    const cases: [string, unknown, string][] = [
      ["kwargs", new Map([[1, 2]]), "a Map"],
      ["options", new Set([1]), "a Set"],
      ["options", new Date(0), "a Date"],
      ["kwargs", Uint8Array.of(1), "a Uint8Array"],
    ];
    for (const [name, value, kind] of cases) {
      const data = encoder.encode({ ...fields, [name]: value });
      const { message } = assertThrows(() => Message.decode(data), DecodeError);
      assertEquals(message, `Cannot decode message: its ${name} is ${kind}, not an object`);
    }
    const map = encoder.encode(new Map([[1, 2]]));
    const { message } = assertThrows(() => Message.decode(map), DecodeError);
    assertEquals(message, "Cannot decode message: it is a Map, not an object");
  } finally {
    setEncoder(before);
  }
});

test("PickleEncoder says where it stopped, and keeps the cause", () => {
  const error = assertThrows(() => encoder.decode(bytesOf("N}}b.")), DecodeError);
  assertMatch(error.message, /^Cannot decode pickle: BUILD would .*, near byte 4 of 5$/);
  assertInstanceOf(error.cause, Error);
});
