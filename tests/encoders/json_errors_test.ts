import { assert, assertEquals, assertInstanceOf, assertMatch, assertThrows } from "@std/assert";
import { JSONEncoder, Message } from "@dq/dramatiq";
import { test } from "../support/test.ts";
import type { MessageVectors } from "../support/vectors.ts";
import messages from "../vectors/messages.json" with { type: "json" };

const { unencodable } = messages as unknown as MessageVectors;

class Point {
  readonly x = 1;
}

/** JavaScript's counterparts of what Python cannot encode, and what our error says of it. */
const COUNTERPARTS: ReadonlyMap<string, readonly [() => unknown, RegExp]> = new Map(
  [
    ["bytes", [() => new Uint8Array([1]), /: a Uint8Array would not arrive as one; send plain/]],
    ["bytearray", [
      () => new ArrayBuffer(1),
      /: an? ArrayBuffer would not arrive as one; send/,
    ]],
    ["set", [() => new Set([1]), /: a Set would not arrive as one; send plain objects, arrays/]],
    ["datetime", [() => new Date(0), /: a Date would not arrive as one; send plain objects, /]],
    ["object", [() => new Point(), /: a Point would not arrive as one; send plain objects/]],
    ["dict-with-tuple-key", [() => new Map([[[1, 2], 3]]), /: a Map would not arrive as one; /]],
    ["circular-list", [() => circularList(), /\[0\] refers back to itself$/]],
    ["list-100000-deep", [() => deepList(), /(\[0\])+ is nested more than 900 deep$/]],
    ["int-of-5000-digits", [() => BigInt("9".repeat(5000)), /: a BigInt is not JSON; send it as /]],
    ["generator", [() => counter(), /: a \w.* would not arrive as one; send plain objects/]],
  ] as const,
);

/** Values that Python cannot encode and JavaScript does not have. */
const NOT_IN_JAVASCRIPT: ReadonlyMap<string, string> = new Map([
  ["decimal", "there is no decimal type"],
  ["complex", "there are no complex numbers"],
  ["range", "there is no range type"],
]);

for (const { label } of unencodable) {
  const [make, reason] = COUNTERPARTS.get(label) ?? [];
  if (make === undefined || reason === undefined) continue;

  test(`Message.encode refuses what Python refuses: ${label}`, () => {
    const message = messageOf(["first", { payload: make() }]);
    const error = assertThrows(() => message.encode(), TypeError);
    assert(error.message.startsWith('Cannot encode message for actor "add": args[1].payload'));
    assertMatch(error.message, reason);
    assertInstanceOf(error.cause, TypeError);
  });
}

test("Message vectors hold no unencodable value that is in neither table", () => {
  const known = [...COUNTERPARTS.keys(), ...NOT_IN_JAVASCRIPT.keys()];
  assertEquals(known.toSorted(), unencodable.map(({ label }) => label).toSorted());
});

test("JSONEncoder names the place and the reason of what it cannot encode", () => {
  const sparse = [1];
  sparse[2] = 3;
  const cases: [unknown, string][] = [
    [undefined, "the value: undefined is not JSON, and would be lost; leave it out or send null"],
    [() => 1, "the value: a function is not JSON"],
    [{ args: [1, { when: undefined }] }, "args[1].when: undefined is not JSON, and would be lost"],
    [{ args: sparse }, "args[1]: undefined is not JSON, and would be lost; leave it out or send"],
    [{ args: [Symbol("s")] }, "args[0]: a symbol is not JSON"],
    [{ kwargs: { run() {} } }, "kwargs.run: a function is not JSON"],
    [[10n], "[0]: a BigInt is not JSON; send it as text or, below 2 ** 53, as a number"],
    [{ options: { trace: new Map() } }, "options.trace: a Map would not arrive as one; send plain"],
    [{ "odd key": { 'a"b': new Date(0) } }, '["odd key"]["a\\"b"]: a Date would not arrive as one'],
    [[new Number(1)], "[0]: a Number would not arrive as one"],
    [[Object.create({})], "[0]: a"],
    [[Object.create(Object.create(null))], "[0]: a class instance would not arrive as one"],
    [[Promise.resolve()], "[0]: a Promise would not arrive as one"],
  ];
  for (const [value, text] of cases) {
    const { message } = assertThrows(() => new JSONEncoder().encode(value), TypeError);
    assertEquals(message.slice(0, "Cannot encode ".length + text.length), `Cannot encode ${text}`);
  }
});

test("JSONEncoder leaves symbols as keys out, whatever stands beside them", () => {
  const key = Symbol("key");
  const encoder = new JSONEncoder();
  assertEquals(encoder.encode([{ [key]: 1 }, { a: 1, [key]: 2 }]), '[{},{"a":1}]');
  assertEquals(encoder.encode([NaN, { [key]: 1 }, { a: 1, [key]: 2 }]), '[NaN,{},{"a":1}]');
});

test("JSONEncoder names where a cycle comes back", () => {
  const parent: Record<string, unknown> = { name: "p" };
  parent["child"] = { parent };
  const { message } = assertThrows(() => new JSONEncoder().encode({ args: [parent] }), TypeError);
  assertEquals(message, "Cannot encode args[0].child.parent refers back to itself");
});

test("JSONEncoder refuses a cycle with several ways back without following them all", () => {
  let reads = 0;
  const node = {
    get left(): unknown {
      // Each read doubles the ways to go; all of them, 900 deep, would never end.
      if (++reads > 100_000) throw new RangeError("The cycle was read 100,000 times");
      return node;
    },
    get right(): unknown {
      return node.left;
    },
  };
  const { message } = assertThrows(() => new JSONEncoder().encode({ node }), TypeError);
  assertEquals(message, "Cannot encode node.left refers back to itself");
});

test("JSONEncoder takes the same object twice, which is no cycle", () => {
  const shared = { a: [1] };
  assertEquals(new JSONEncoder().encode([shared, shared]), '[{"a":[1]},{"a":[1]}]');
});

test("Message.encode names the place in options and keyword arguments", () => {
  const cases: [Message, string][] = [
    [messageOf([], { kwargs: { at: new Date(0) } }), "kwargs.at: a Date would not arrive as one"],
    [messageOf([], { options: { trace: [1n] } }), "options.trace[0]: a BigInt is not JSON"],
    [messageOf([], { options: { maxAge: 1n as never } }), "options.max_age: a BigInt is not JSON"],
  ];
  for (const [message, reason] of cases) {
    const error = assertThrows(() => message.encode(), TypeError);
    const text = `Cannot encode message for actor "add": ${reason}`;
    assertEquals(error.message.slice(0, text.length), text);
  }
});

function messageOf(
  args: unknown[],
  more: { kwargs?: Record<string, unknown>; options?: Record<string, unknown> } = {},
): Message {
  return new Message({ queueName: "default", actorName: "add", args, ...more });
}

function circularList(): unknown[] {
  const list: unknown[] = [];
  list.push(list);
  return list;
}

function deepList(): unknown[] {
  let list: unknown[] = [];
  for (let i = 1; i < 100_000; i++) list = [list];
  return list;
}

function* counter(): Generator<number> {
  yield 1;
}
