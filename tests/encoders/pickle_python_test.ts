/**
 * `PickleEncoder` beside the pickle of the Python that is installed: its standard library is
 * enough. Where there is none, the tests say so.
 *
 * @module
 */
import { assert, assertEquals } from "@std/assert";
import { spawnSync } from "node:child_process";
import { getEncoder, Message, PickleEncoder, setEncoder } from "@dq/dramatiq";
import { skip, test } from "../support/test.ts";
import { fromBase64 } from "../support/vectors.ts";
import { NOT_MADE_HERE, VECTORS } from "./pickle_vectors.ts";

const SCRIPT = new URL("./python_pickles.py", import.meta.url).pathname;
const hasPython = spawnSync("python3", ["--version"]).status === 0;
const encoder = new PickleEncoder();

/** In places where Python can have a list, and one where it cannot. */
const PAIR = [1, 2];

function testWithPython(name: string, body: () => void): void {
  if (hasPython) test(name, body);
  else skip(name, "there is no python3 on this machine");
}

/** Runs the script with JSON in and out. */
function python<T>(command: string, input: unknown = null): T {
  const { stdout, stderr, status } = spawnSync("python3", [SCRIPT, command], {
    input: JSON.stringify(input),
    encoding: "utf8",
    maxBuffer: 2 ** 28,
  });
  assertEquals(status, 0, stderr);
  return JSON.parse(stdout) as T;
}

/** A value that Python wrote: its name, the protocol, the bytes. */
type Written = [label: string, protocol: number, base64: string];

let written: Written[] | undefined;
const allWritten = () => written ??= python<Written[]>("write");

testWithPython("PickleEncoder gives Python back what it wrote, whatever the protocol", () => {
  const pairs = allWritten().map(([, , text]) => {
    return [text, toBase64(encoder.encode(encoder.decodeExactly(fromBase64(text))))];
  });
  assert(pairs.length > 100);
  assertEquals(python<number[]>("compare", pairs).map((i) => allWritten()[i]!.slice(0, 2)), []);
});

testWithPython("PickleEncoder gives Python the messages that it pickled, retried or not", () => {
  const before = getEncoder();
  setEncoder(encoder);
  try {
    const pairs = VECTORS.flatMap(({ bytes }) => {
      const retry = Message.decode(bytes).copy({ options: { retries: 7 } });
      const back = Message.decode(retry.encode()).copy({
        options: { retries: Message.decode(bytes).option("retries") as number | undefined },
      });
      return [encoder.encode(encoder.decodeExactly(bytes)), back.encode() as Uint8Array]
        .map((again) => [toBase64(bytes), toBase64(again)]);
    });
    const labels = python<number[]>("compare", pairs).map((i) => VECTORS[i >> 1]!.label);
    assertEquals(labels, []);
  } finally {
    setEncoder(before);
  }
});

testWithPython(
  "PickleEncoder makes messages as Python does, where JavaScript has the types",
  () => {
    const pairs = VECTORS.map(({ bytes, value }) => [bytes, encoder.encode(value())].map(toBase64));
    const labels = python<number[]>("compare", pairs).map((i) => VECTORS[i]!.label);
    assertEquals(labels, [...NOT_MADE_HERE.keys()]);
  },
);

testWithPython("PickleEncoder reads the same values from all protocols", () => {
  const values = new Map<string, unknown>();
  for (const [label, protocol, text] of allWritten()) {
    const value = encoder.decode(fromBase64(text));
    if (protocol === 0) values.set(label, value);
    else assertEquals(value, values.get(label), `${label}, protocol ${protocol}`);
  }
});

testWithPython("PickleEncoder writes what JavaScript has as Python would expect it", () => {
  const cases: [unknown, string][] = [
    [null, "None"],
    [[true, false], "[True, False]"],
    [[0, -1, 255, 256, 2 ** 31, 2 ** 53 - 1], "[0, -1, 255, 256, 2**31, 2**53 - 1]"],
    [[2 ** 53, 1e300, -0, 0.5], "[float(2**53), 1e300, -0.0, 0.5]"],
    [[NaN, Infinity, -Infinity], "[math.nan, math.inf, -math.inf]"],
    [[5n, -(2n ** 64n), 2n ** 53n, 2n ** 5000n], "[5, -2**64, 2**53, 2**5000]"],
    ["zażółć 日本 😀 \0", "'zażółć 日本 😀 \\0'"],
    ["\ud800 alone", "'\\ud800 alone'"],
    [{ a: 1, __proto__x: [{}] }, "{'a': 1, '__proto__x': [{}]}"],
    [JSON.parse('{"__proto__": 1}'), "{'__proto__': 1}"],
    [new Map<unknown, unknown>([[1, "a"], [null, "b"]]), "{1: 'a', None: 'b'}"],
    [new Set([1, "x"]), "{1, 'x'}"],
    [new Map<unknown, unknown>([[[1, ["a"]], [1, ["a"]]]]), "{(1, ('a',)): [1, ['a']]}"],
    [[PAIR, PAIR, "shared"], "value if value[0] is value[1] else 'two lists'"],
    [[PAIR, new Set([PAIR]), PAIR], "[[1, 2], {(1, 2)}, [1, 2]]"],
    [new Set([new Set([1]), Uint8Array.of(1)]), "{frozenset([1]), b'\\x01'}"],
    [Uint8Array.of(0, 255), "b'\\x00\\xff'"],
    [new Date(1704164645678), "dt.datetime(2024, 1, 2, 3, 4, 5, 678000, dt.timezone.utc)"],
    [new Date(-62135596800000), "dt.datetime(1, 1, 1, tzinfo=dt.timezone.utc)"],
    [
      [new Date(0), new Date(1)],
      "[dt.datetime.fromtimestamp(n / 1000, dt.timezone.utc) for n in (0, 1)]",
    ],
  ];
  const pairs = cases.map(([value, expression]) => [toBase64(encoder.encode(value)), expression]);
  assertEquals(python<string[]>("expect", pairs), []);
});

function toBase64(bytes: Uint8Array): string {
  let text = "";
  for (const byte of bytes) text += String.fromCharCode(byte);
  return btoa(text);
}
