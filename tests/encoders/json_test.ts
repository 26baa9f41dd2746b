import {
  assert,
  assertEquals,
  assertInstanceOf,
  assertStrictEquals,
  assertStringIncludes,
  assertThrows,
} from "@std/assert";
import { DecodeError, type Encoded, JSONEncoder } from "@dq/dramatiq";
import fc from "fast-check";
import { parseJsonExactly } from "../../encoders/json/parser.ts";
import { MAX_DEPTH, writeJson } from "../../encoders/json/writer.ts";
import { test } from "../support/test.ts";
import {
  anyKey,
  anyNumber,
  damaged,
  ESCAPED_KEY,
  finiteNumber,
  jsonText,
  jsonValue,
  oddNumberText,
  pythonNumberText,
} from "./json_arbitraries.ts";

const encoder = new JSONEncoder();

test("JSONEncoder decodes what it encoded, in all ways", () => {
  fc.assert(
    fc.property(jsonValue(anyNumber), (value) => {
      const text = encoder.encode(value);
      const bytes = new TextEncoder().encode(text);
      assertEquals(encoder.decode(text), value);
      assertEquals(encoder.decode(bytes), value);
      assertEquals(encoder.decodeExactly(bytes), value);
      assertEquals(parseJsonExactly(text), value);
      assertEquals(encoder.encode(encoder.decode(text)), text);
    }),
    { numRuns: 500 },
  );
});

test("JSONEncoder reads a key with an escape, whatever keys objects had before", () => {
  const pairs: [string, string][] = [
    ["\\", '"'],
    ["\\", "\n"],
    ["\\", "é"],
    ["C:\\\\", "C:\\a"],
    ["\\u00", "tété"],
    ["a\\\\b", 'a\\"b'],
  ];
  for (const [before, key] of pairs) {
    for (const colon of [":", " : ", "\n:"]) {
      const text = (name: string) => `[{"x":[1],${encoder.encode(name)}${colon}"\\n"}]`;
      for (const decode of [decodeFast, decodeExactly]) {
        decode(text(before));
        assertEquals(decode(text(key)), [{ x: [1], [key]: "\n" }]);
      }
    }
  }
});

test("parseJsonExactly lets writeJson give the text back, whatever its numbers and keys", () => {
  fc.assert(
    fc.property(jsonText(oddNumberText), (text) => {
      assertEquals(writeJson(parseJsonExactly(text)), text);
    }),
    { numRuns: 500 },
  );
});

test("JSONEncoder.decodeExactly lets encode give back what Python writes", () => {
  fc.assert(
    fc.property(jsonText(pythonNumberText), (text) => {
      assertEquals(encoder.encode(encoder.decodeExactly(text)), text);
    }),
    { numRuns: 1000 },
  );
});

test("JSONEncoder.decodeExactly writes a number that was changed as it is now", () => {
  fc.assert(
    fc.property(oddNumberText, finiteNumber, anyKey, (text, number, key) => {
      const quoted = JSON.stringify(key);
      const value = encoder.decodeExactly(`{${quoted}:[${text},1.0]}`) as Record<string, number[]>;
      value[key]![0] = number;
      if (Object.is(number, Number(text))) return;
      assertEquals(encoder.encode(value), `{${writeJson(key)}:[${writeJson(number)},1.0]}`);
    }),
    { numRuns: 300 },
  );
});

test("JSONEncoder.decodeExactly keeps the order of keys that are left and puts new ones last", () => {
  const value = encoder.decodeExactly('{"2":1,"b":2.0,"1":3}') as Record<string, number>;
  delete value["b"];
  value["0"] = 4;
  assertEquals(encoder.encode(value), '{"2":1,"1":3,"0":4}');
});

test("parseJsonExactly takes the last value of a key that comes twice, in the first place", () => {
  const cases: [string, string][] = [
    ['{"a":1.0,"b":2,"a":3}', '{"a":3,"b":2}'],
    ['{"a":1,"b":2,"a":3.0}', '{"a":3.0,"b":2}'],
    ['{"a":1.0,"a":1}', '{"a":1}'],
    ['{"a":1.0,"a":[1e5]}', '{"a":[1e5]}'],
    ['{"2":0,"1":1.0,"2":5e0}', '{"2":5e0,"1":1.0}'],
    ['{"__proto__":{"x":1.0},"__proto__":2}', '{"__proto__":2}'],
  ];
  for (const [text, expected] of cases) {
    assertEquals(writeJson(parseJsonExactly(text)), expected);
    assertEquals(parseJsonExactly(text), JSON.parse(text));
  }
});

test("parseJsonExactly agrees with JSON.parse, NaN and Infinity apart", () => {
  const laidOut = fc.tuple(fc.jsonValue(), fc.constantFrom(0, 1, "\t")).map(([value, indent]) =>
    JSON.stringify(value, null, indent)
  );
  const texts = fc.oneof(laidOut, jsonText(oddNumberText), damaged(jsonText(oddNumberText)));
  fc.assert(
    fc.property(texts, (text) => {
      // JSON.parse takes null where Python takes NaN, and neither takes `1NaN` or `1null`.
      const plain = text.replace(
        /"(?:[^"\\]|\\.)*"|NaN|-?Infinity/gs,
        (token) => token.startsWith('"') ? token : "null",
      );
      const isJson = isAccepted(() => JSON.parse(plain), SyntaxError);
      assertEquals(isAccepted(() => parseJsonExactly(text), SyntaxError), isJson, text);
      if (isJson && plain === text && !ESCAPED_KEY.test(text)) {
        assertEquals(parseJsonExactly(text), JSON.parse(text));
      }
    }),
    { numRuns: 1000 },
  );
});

test("JSONEncoder gives a value or a DecodeError for any data, and reaches no prototype", () => {
  const before = Object.getOwnPropertyNames(Object.prototype);
  const damagedBytes = damaged(jsonText(pythonNumberText)).map((text) => utf8(text));
  const cutAnywhere = fc.tuple(damagedBytes, fc.nat(), fc.nat(255)).map(([bytes, at, byte]) =>
    bytes.map((old, i) => i === at % bytes.length ? byte : old)
  );
  const data = fc.oneof(fc.uint8Array({ maxLength: 60 }), damagedBytes, cutAnywhere);
  fc.assert(
    fc.property(data, (bytes) => {
      for (const decode of [decodeFast, decodeExactly]) {
        const value = valueOrDecodeError(() => decode(bytes));
        assertPlain(value);
      }
    }),
    { numRuns: 1000 },
  );
  assertEquals(Object.getOwnPropertyNames(Object.prototype), before);
});

test("JSONEncoder keeps __proto__ and constructor as data", () => {
  for (const number of ["1", "1.0", "NaN"]) {
    const text = `{"__proto__":{"polluted":${number}},"constructor":{"prototype":{"polluted":1}}}`;
    for (const decode of [decodeFast, decodeExactly]) {
      const value = decode(utf8(text)) as object;
      assertEquals(Object.keys(value), ["__proto__", "constructor"]);
      assertStrictEquals(Object.getPrototypeOf(value), Object.prototype);
      assertStrictEquals("polluted" in value, false);
      assertStrictEquals("polluted" in {}, false);
    }
  }
});

// Reference: DecodeError
test("JSONEncoder puts the data into the DecodeError as it came", () => {
  for (const text of ["{", "[1.0", '{"a":-0', "\ufeff[]"]) {
    for (const data of [text, utf8(text)]) {
      for (const decode of [decodeFast, decodeExactly]) {
        const error = assertThrows(() => decode(data), DecodeError);
        assert(error.data === data, "The error holds other data than it was given");
        assertInstanceOf(error.cause, SyntaxError);
      }
    }
  }
});

test("JSONEncoder names the position of what is no JSON", () => {
  const cases: [string, string][] = [
    ["", "JSON ends too early, at position 0"],
    ['{"a":', "JSON ends too early, at position 5"],
    ["[1,]", 'JSON has an unexpected "]" at position 3'],
    ["[1 2]", 'JSON has an unexpected "2" at position 3'],
    ['["\\x41"]', 'JSON has an unexpected "\\"" at position 1'],
    ["{} x", 'JSON has an unexpected "x" at position 3'],
  ];
  for (const [text, reason] of cases) {
    const error = assertThrows(() => encoder.decode(text), DecodeError);
    assertEquals(error.message, `Cannot decode data: ${reason}`);
  }
});

test("JSONEncoder decodes up to the depth limit and not beyond", () => {
  for (const inner of ["", "1", "1.0", "NaN"]) {
    for (const decode of [decodeFast, decodeExactly]) {
      const deepest = nestedText(MAX_DEPTH, inner);
      assertEquals(encoder.encode(decode(deepest)), inner === "1.0" ? encoded(decode) : deepest);
      for (const depth of [MAX_DEPTH + 1, 5000, 200_000]) {
        const error = assertThrows(() => decode(nestedText(depth, inner)), DecodeError);
        assertStringIncludes(error.message, `JSON is nested more than ${MAX_DEPTH} deep`);
      }
    }
  }

  function encoded(decode: (data: Encoded) => unknown): string {
    return nestedText(MAX_DEPTH, decode === decodeExactly ? "1.0" : "1");
  }
});

test("JSONEncoder encodes up to the depth limit and not beyond", () => {
  assertEquals(encoder.encode(nested(MAX_DEPTH)), nestedText(MAX_DEPTH, ""));
  for (const depth of [MAX_DEPTH + 1, 5000, 100_000]) {
    const error = assertThrows(() => encoder.encode(nested(depth)), TypeError);
    assertStringIncludes(error.message, `is nested more than ${MAX_DEPTH} deep`);
  }
});

function decodeFast(data: Encoded): unknown {
  return encoder.decode(data);
}

function decodeExactly(data: Encoded): unknown {
  return encoder.decodeExactly(data);
}

function utf8(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}

/** Arrays and objects by turns, so deep, around a text. */
function nestedText(depth: number, inner: string): string {
  const pairs = Math.floor(depth / 2);
  // Only an array can be empty; an odd one out goes to the outside.
  const [open, close] = depth % 2 === 0 ? ["", ""] : ["[", "]"];
  return open + '{"a":['.repeat(pairs) + inner + "]}".repeat(pairs) + close;
}

/** The value of `nestedText` with nothing inside. */
function nested(depth: number): unknown {
  let value: unknown = [];
  for (let i = 1; i < depth; i++) value = i % 2 === 1 ? { a: value } : [value];
  return value;
}

function isAccepted(parse: () => unknown, refusal: new () => Error): boolean {
  try {
    parse();
    return true;
  } catch (error) {
    assertInstanceOf(error, refusal);
    return false;
  }
}

function valueOrDecodeError(decode: () => unknown): unknown {
  try {
    return decode();
  } catch (error) {
    assertInstanceOf(error, DecodeError);
    return undefined;
  }
}

/** Makes sure that no object in the value has got another prototype. */
function assertPlain(value: unknown): void {
  if (typeof value !== "object" || value === null) return;
  const expected = Array.isArray(value) ? Array.prototype : Object.prototype;
  assertStrictEquals(Object.getPrototypeOf(value), expected);
  Object.values(value).forEach(assertPlain);
}
