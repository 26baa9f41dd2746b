import { assertEquals, assertMatch } from "@std/assert";
import fc from "fast-check";
import { parseJsonExactly } from "../../encoders/json/parser.ts";
import { writeJson } from "../../encoders/json/writer.ts";
import { test } from "../support/test.ts";
import {
  anyNumber,
  ESCAPED_KEY,
  finiteNumber,
  jsonValue,
  pythonFloat,
} from "./json_arbitraries.ts";

test("writeJson writes printable ASCII only", () => {
  fc.assert(
    fc.property(jsonValue(anyNumber), (value) => {
      assertMatch(writeJson(value), /^[ -~]*$/);
    }),
    { numRuns: 500 },
  );
});

test("writeJson escapes the same in long strings as in short ones", () => {
  const long = "a".repeat(1_000);
  for (const text of ["\x7f", "\x80", "ü", "\u2028", "\ud800", "😀", '"', "~"]) {
    const escaped = writeJson(text).slice(1, -1);
    assertEquals(writeJson(long + text), `"${long}${escaped}"`);
    assertEquals(writeJson([text + long]), `["${escaped}${long}"]`);
  }
});

test("writeJson escapes DEL, as Python does", () => {
  assertEquals(writeJson("a\x7fb"), '"a\\u007fb"');
  assertEquals(writeJson("ü\x7f"), '"\\u00fc\\u007f"');
  assertEquals(writeJson({ "\x7f": 1 }), '{"\\u007f":1}');
});

test("writeJson writes JSON that JSON.parse reads, when all numbers are finite", () => {
  fc.assert(
    fc.property(fc.oneof(fc.jsonValue(), jsonValue(finiteNumber)), (value) => {
      const text = writeJson(value);
      const parse = ESCAPED_KEY.test(text) ? parseJsonExactly : JSON.parse;
      assertEquals(parse(text), value);
    }),
    { numRuns: 500 },
  );
});

test("writeJson writes fractions and huge numbers as Python writes floats, others as integers", () => {
  const cases: [number, string][] = [
    [0.1, "0.1"],
    [0.0001, "0.0001"],
    [0.00009999, "9.999e-05"],
    [-1e-5, "-1e-05"],
    [1.5e-10, "1.5e-10"],
    [5e-324, "5e-324"],
    [-0, "-0.0"],
    [1, "1"],
    [1e16, "10000000000000000"],
    [1e21, "1e+21"],
    [-1.5e300, "-1.5e+300"],
  ];
  for (const [number, text] of cases) assertEquals(writeJson(number), text);

  fc.assert(
    fc.property(finiteNumber, (number) => {
      const isWhole = Number.isInteger(number) && Math.abs(number) < 1e21 && !Object.is(number, -0);
      assertEquals(writeJson(number), isWhole ? String(number) : pythonFloat(number));
    }),
    { numRuns: 500 },
  );
});

test("writeJson takes objects without a prototype", () => {
  const bare = Object.assign(Object.create(null), { a: [Object.create(null)] });
  assertEquals(writeJson(bare), '{"a":[{}]}');
});

test("writeJson writes the items of an array, whatever its class would make of itself", () => {
  class List extends Array<number> {
    toJSON(): string {
      return "a list";
    }
  }
  for (const number of [1, 1e-7, -0]) {
    assertEquals(writeJson({ list: List.of(number) }), `{"list":[${writeJson(number)}]}`);
  }
});
