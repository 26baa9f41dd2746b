import { assert, assertEquals, assertInstanceOf, assertMatch, assertThrows } from "@std/assert";
import { DecodeError, JSONEncoder, Message } from "@dq/dramatiq";
import { test } from "../support/test.ts";
import {
  type DecodeCase,
  type Decoding,
  fromBase64,
  type MessageVectors,
  type TaggedMessage,
  untag,
} from "../support/vectors.ts";
import messages from "../vectors/messages.json" with { type: "json" };

const { decode_cases: cases } = messages as unknown as MessageVectors;

/** Values that Python takes for a message and we do not (docs/from-python.md), and our error text. */
const STRICTER_HERE: ReadonlyMap<string, RegExp> = new Map([
  ["args-string", /its args is a string, not an array$/],
  ["args-object", /its args is an object, not an array$/],
  ["kwargs-null", /its kwargs is null, not an object$/],
  ["kwargs-array", /its kwargs is an array, not an object$/],
  ["options-null", /its options is null, not an object$/],
  ["options-array", /its options is an array, not an object$/],
  ["queue-name-null", /its queue_name is null, not a string$/],
  ["queue-name-number", /its queue_name is a number, not a string$/],
  ["actor-name-number", /its actor_name is a number, not a string$/],
  ["message-id-number", /its message_id is a number, not a string$/],
  ["message-id-null", /its message_id is null, not a string$/],
  ["timestamp-string", /its message_timestamp is a string, not a number$/],
  ["timestamp-null", /its message_timestamp is null, not a number$/],
]);

/** Messages that this library reads and Python does not, and their arguments. */
const READABLE_HERE: ReadonlyMap<string, readonly unknown[]> = new Map([
  // Beyond Python's limit of digits. It is infinite inside an actor, and travels on as it is.
  ["huge-integer-5000-digits", [Infinity]],
]);

/** Arguments that we read as another value than Python. */
const READ_DIFFERENTLY: ReadonlyMap<string, readonly unknown[]> = new Map([
  // JSON.parse reads -0 as the number -0, Python as the integer 0.
  ["number-forms", [1000, 1000, 1, -0, -0, Infinity, 123456789012345678901234567890]],
]);

/** Construction of a message's text from a template. */
const TEMPLATES: readonly (readonly [RegExp, (count: number) => string])[] = [
  [/^args is one integer of (\d+) nines$/, (count) => `[${"9".repeat(count)}]`],
  [/^args is (\d+) nested arrays$/, (count) => "[".repeat(count) + "]".repeat(count)],
];

for (const vector of cases) {
  const { label } = vector;

  test(`JSONEncoder decode takes what Python takes: ${label}`, () => {
    const bytes = bytesOf(vector);
    const { encoder_decode: python } = vector;
    const decode = () => new JSONEncoder().decode(bytes);
    if (READABLE_HERE.has(label)) {
      assert(python.raises !== undefined);
      assertEquals((decode() as TaggedMessage).args, READABLE_HERE.get(label));
    } else if (python.raises !== undefined) {
      assertRefused(decode, bytes, "caused");
      assertThrows(() => new JSONEncoder().decodeExactly(bytes), DecodeError);
    } else {
      assertSameValue(label, decode(), python);
      assertSameValue(label, new JSONEncoder().decodeExactly(bytes), python);
    }
  });

  test(`Message.decode takes what Python takes: ${label}`, () => {
    const bytes = bytesOf(vector);
    const { message_decode: python, encoder_decode: encoding } = vector;
    const decode = () => Message.decode(bytes);
    const stricter = STRICTER_HERE.get(label);
    if (stricter !== undefined) {
      assert(python.message !== undefined);
      assertMatch(assertRefused(decode, bytes, "by shape").message, stricter);
    } else if (READABLE_HERE.has(label)) {
      assert(python.raises !== undefined);
      assertEquals(decode().args, READABLE_HERE.get(label));
    } else if (python.raises !== undefined) {
      assertRefused(decode, bytes, encoding.raises === undefined ? "by shape" : "caused");
    } else {
      assertSameMessage(label, decode(), python);
    }
  });

  if (vector.template !== undefined && label !== "nesting-100000") {
    test(`Message passes on as it came: ${label}`, () => {
      const bytes = bytesOf(vector);
      assertEquals(Message.decode(bytes).encode(), new TextDecoder().decode(bytes));
    });
  }
}

test("Message.decode keeps the text of every number that Python may have meant otherwise", () => {
  const bytes = bytesOf(cases.find((vector) => vector.label === "number-forms")!);
  assertEquals(Message.decode(bytes).encode(), new TextDecoder().decode(bytes));
});

test("Message.decode says what it found instead of a message", () => {
  const { message } = assertThrows(() => Message.decode("[]"), DecodeError);
  assertEquals(message, "Cannot decode message: it is an array, not an object");
});

test("Message vectors hold every label of the tables of differences", () => {
  const labels = cases.map((vector) => vector.label);
  assertEquals(new Set(labels).size, labels.length);
  const tables = [STRICTER_HERE, READABLE_HERE, READ_DIFFERENTLY];
  for (const label of tables.flatMap((table) => [...table.keys()])) {
    assert(labels.includes(label), label);
  }
});

/** Makes sure of a `DecodeError` that keeps the bytes, and gives it. */
function assertRefused(
  decode: () => unknown,
  bytes: Uint8Array,
  kind: "caused" | "by shape",
): DecodeError {
  const error = assertThrows(decode, DecodeError);
  assert(error.data === bytes, "The error does not hold the very bytes");
  if (kind === "caused") assertInstanceOf(error.cause, Error);
  else assertEquals(error.cause, undefined);
  return error;
}

function assertSameValue(label: string, value: unknown, python: Decoding): void {
  if (python.value === "<decodes>") return;
  const expected = READ_DIFFERENTLY.has(label)
    ? { ...untag(python.value) as object, args: READ_DIFFERENTLY.get(label) }
    : untag(python.value);
  assertEquals(value, expected);
}

function assertSameMessage(label: string, message: Message, python: Decoding): void {
  if (python.message === "<decodes>") return;
  const expected = untag(python.message) as TaggedMessage;
  assertEquals(message.queueName, expected.queue_name);
  assertEquals(message.actorName, expected.actor_name);
  assertEquals(message.args, READ_DIFFERENTLY.get(label) ?? expected.args);
  assertEquals(message.kwargs, expected.kwargs);
  assertEquals(message.options, expected.options);
  if (isGenerated(expected.message_id)) {
    assertMatch(message.messageId, /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-/);
  } else {
    assertEquals(message.messageId, expected.message_id);
  }
  if (isGenerated(expected.message_timestamp)) {
    assert(Math.abs(Date.now() - message.messageTimestamp) < 60_000);
  } else {
    assertEquals(message.messageTimestamp, expected.message_timestamp);
  }
}

function isGenerated(value: unknown): boolean {
  return value === "<generated>";
}

/** The bytes of a case, made by its template if it has none. */
function bytesOf({ base64, template }: DecodeCase): Uint8Array {
  if (base64 !== undefined) return fromBase64(base64);
  for (const [pattern, write] of TEMPLATES) {
    const count = pattern.exec(template ?? "")?.[1];
    if (count === undefined) continue;
    return new TextEncoder().encode(
      `{"queue_name":"q","actor_name":"a","args":${write(Number(count))},"kwargs":{},` +
        `"options":{},"message_id":"m","message_timestamp":5}`,
    );
  }
  throw new TypeError(`Cannot make the bytes of template ${template}`);
}
