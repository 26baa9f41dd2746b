/**
 * Random values and texts for the tests of the JSON codec.
 *
 * @module
 */
import fc from "fast-check";

/** A key with an escape in it. V8's JSON.parse may take it for another one, and is no reference then. */
export const ESCAPED_KEY: RegExp = /"(?:[^"\\]|\\.)*\\(?:[^"\\]|\\.)*"\s*:/;

/** Any UTF-16 text, halves of surrogate pairs included. */
export const anyText: fc.Arbitrary<string> = fc.oneof(
  fc.string(),
  fc.string({ unit: "binary" }),
  fc.string({ unit: fc.constantFrom(...'"\\/\b\f\n\r\t\x00\x1f ~\x7f\x80\u2028\ufeff😀') }),
  fc.array(fc.oneof(fc.integer({ min: 0, max: 0xffff }), fc.integer({ min: 0xd800, max: 0xdfff })))
    .map((units) => String.fromCharCode(...units)),
);

/** Keys, often such as JavaScript treats in a special way. */
export const anyKey: fc.Arbitrary<string> = fc.oneof(
  anyText,
  fc.constantFrom("__proto__", "constructor", "toString", "toJSON", "length", "", "0", "1", "10"),
);

/** Finite numbers, often at the edges where their spelling changes. */
export const finiteNumber: fc.Arbitrary<number> = fc.oneof(
  fc.double({ noNaN: true, noDefaultInfinity: true }),
  fc.maxSafeInteger(),
  fc.constantFrom(0, -0, 1e-4, 1e-5, 9.9999e-5, 1e-7, 1e15, 1e16, 1e20, 1e21, 1.5e300, 5e-324),
  fc.constantFrom(2 ** 53, -(2 ** 53), 2 ** 64, Number.MAX_VALUE, Number.EPSILON),
);

/** Numbers, those included that only Python's JSON has. */
export const anyNumber: fc.Arbitrary<number> = fc.oneof(
  finiteNumber,
  fc.constantFrom(NaN, Infinity, -Infinity),
);

/** Values that JSON can hold, with numbers of a kind. */
export function jsonValue(numbers: fc.Arbitrary<number>): fc.Arbitrary<unknown> {
  return fc.letrec<{ value: unknown }>((tie) => ({
    value: fc.oneof(
      { maxDepth: 4, withCrossShrink: true },
      fc.oneof(fc.constant(null), fc.boolean(), anyText, numbers),
      fc.array(tie("value"), { maxLength: 5 }),
      fc.array(fc.tuple(anyKey, tie("value")), { maxLength: 5 }).map(Object.fromEntries),
    ),
  })).value;
}

/** Texts of numbers that JavaScript would write in another way, among ordinary ones. */
export const oddNumberText: fc.Arbitrary<string> = fc.oneof(
  fc.constantFrom("1.0", "-0", "-0.0", "1e5", "1E+5", "1e-2", "0.10", "1e400", "-1e400", "1.50"),
  fc.constantFrom("NaN", "Infinity", "-Infinity", "0", "7", "-2.5", "9007199254740993"),
  fc.bigInt().map(String),
  fc.tuple(fc.bigInt(), fc.nat(), fc.integer({ min: -400, max: 400 }))
    .map(([whole, fraction, exponent]) => `${whole}.${fraction}e${exponent}`),
);

/** Texts of numbers as Python's `json` writes them. */
export const pythonNumberText: fc.Arbitrary<string> = fc.oneof(
  fc.bigInt().map(String),
  finiteNumber.map(pythonFloat),
  fc.integer({ min: -1000, max: 1000 }).map(pythonFloat),
  fc.constantFrom("NaN", "Infinity", "-Infinity"),
);

/** Python's text of a float: with a point below 1e16, with an exponent from there on and below 1e-4. */
export function pythonFloat(value: number): string {
  const [digits, exponent] = value.toExponential().split("e") as [string, string];
  const power = Number(exponent);
  if (power >= 16 || power < -4) {
    return `${digits}e${power < 0 ? "-" : "+"}${String(Math.abs(power)).padStart(2, "0")}`;
  }
  const text = Object.is(value, -0) ? "-0" : String(value);
  return text.includes(".") ? text : `${text}.0`;
}

/** JSON texts of arrays, laid out as Python does, with numbers of a kind and no key twice. */
export function jsonText(numbers: fc.Arbitrary<string>): fc.Arbitrary<string> {
  const quoted = (text: fc.Arbitrary<string>) => text.map(quote);
  return fc.letrec<{ value: string; list: string }>((tie) => ({
    value: fc.oneof(
      { maxDepth: 4, withCrossShrink: true },
      fc.oneof(numbers, quoted(anyText), fc.constantFrom("null", "true", "false", "[]", "{}")),
      tie("list"),
      fc.uniqueArray(fc.tuple(quoted(anyKey), tie("value")), {
        maxLength: 5,
        selector: ([key]) => key,
      }).map((members) => `{${members.map((member) => member.join(":")).join(",")}}`),
    ),
    list: fc.array(tie("value"), { maxLength: 5 }).map((items) => `[${items.join(",")}]`),
  })).list;
}

/** A text between quotes, as Python writes it: with escapes for all but printable ASCII. */
function quote(text: string): string {
  const short: Record<string, string> = { "\b": "b", "\f": "f", "\n": "n", "\r": "r", "\t": "t" };
  const units = Array.from({ length: text.length }, (_, i) => {
    const unit = text.charAt(i);
    if (unit === '"' || unit === "\\") return `\\${unit}`;
    if (unit >= " " && unit <= "~") return unit;
    const hex = unit.charCodeAt(0).toString(16).padStart(4, "0");
    return `\\${short[unit] ?? `u${hex}`}`;
  });
  return `"${units.join("")}"`;
}

const PIECES = [..."{}[]\",:\\ \n\t0123456789.eE+-u/*'", "\u00a0", "\ufeff", "\u0000"].concat(
  [
    "null",
    "true",
    "false",
    "NaN",
    "Infinity",
    "-Infinity",
    '"__proto__":',
    "[[",
    "]]",
    "1.0",
    "01",
  ],
);

/** Texts with a few pieces cut out and a few others put in. */
export function damaged(texts: fc.Arbitrary<string>): fc.Arbitrary<string> {
  const edit = fc.record({
    at: fc.nat(),
    length: fc.nat({ max: 3 }),
    piece: fc.oneof(fc.constant(""), fc.constantFrom(...PIECES)),
  });
  return fc.tuple(texts, fc.array(edit, { maxLength: 3 })).map(([text, edits]) =>
    edits.reduce((now, { at, length, piece }) => {
      const start = at % (now.length + 1);
      return now.slice(0, start) + piece + now.slice(start + length);
    }, text)
  );
}
