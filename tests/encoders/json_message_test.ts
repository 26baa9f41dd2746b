import { assertEquals, assertThrows } from "@std/assert";
import { JSONEncoder, type MessageDict } from "@dq/dramatiq";
import fc from "fast-check";
import { test } from "../support/test.ts";
import { anyNumber, jsonValue } from "./json_arbitraries.ts";

const encoder = new JSONEncoder();

const anyMessage: fc.Arbitrary<MessageDict> = fc.record({
  queue_name: fc.string({ unit: "grapheme" }),
  actor_name: fc.constantFrom("add", "name", 'odd "name"', "zażółć", "__proto__"),
  args: fc.array(jsonValue(anyNumber)),
  kwargs: fc.dictionary(fc.string(), jsonValue(anyNumber)),
  options: fc.dictionary(fc.string({ unit: "binary" }), jsonValue(anyNumber)),
  message_id: fc.oneof(fc.uuid(), fc.string({ unit: "binary" })),
  message_timestamp: fc.oneof(fc.nat(), fc.double()),
}, { noNullPrototype: true });

test("JSONEncoder.encodeMessage writes what encode writes", () => {
  fc.assert(
    fc.property(fc.array(anyMessage, { minLength: 1, maxLength: 4 }), (messages) => {
      // One after the other: each is written with what is remembered of the one before.
      for (const message of messages) {
        assertEquals(encoder.encodeMessage(message), encoder.encode(message));
      }
    }),
    { numRuns: 500 },
  );
});

test("JSONEncoder.encodeMessage refuses what encode refuses, in the same words", () => {
  const message: MessageDict = {
    queue_name: "q",
    actor_name: "a",
    args: [1],
    kwargs: {},
    options: {},
    message_id: "m",
    message_timestamp: 5,
  };
  const cases: MessageDict[] = [
    { ...message, args: [1, { when: new Date(0) }] },
    { ...message, kwargs: { x: undefined } },
    { ...message, options: { trace: [10n] } },
  ];
  for (const bad of cases) {
    const { message: text } = assertThrows(() => encoder.encode(bad), TypeError);
    assertEquals(assertThrows(() => encoder.encodeMessage(bad), TypeError).message, text);
  }
});

test("JSONEncoder writes the values themselves where prototypes have a toJSON", () => {
  const message: MessageDict = {
    queue_name: "q",
    actor_name: "a",
    args: [1, ["two", { three: 3 }]],
    kwargs: { of: [4] },
    options: { pipe_target: { args: [5] } },
    message_id: "m",
    message_timestamp: 5,
  };
  const expected = encoder.encode(message);
  for (const prototype of [Array.prototype, Object.prototype]) {
    for (const enumerable of [false, true]) {
      const patch = { value: () => "patched", enumerable, configurable: true };
      Object.defineProperty(prototype, "toJSON", patch);
      let written: unknown[];
      try {
        written = [encoder.encode(message), encoder.encodeMessage(message)];
      } finally {
        Reflect.deleteProperty(prototype, "toJSON");
      }
      assertEquals(written, [expected, expected]);
    }
  }
});
