import { assert, assertEquals, assertInstanceOf, assertMatch, assertThrows } from "@std/assert";
import { DecodeError, getEncoder, Message, PickleEncoder, setEncoder } from "@dq/dramatiq";
import { test } from "../support/test.ts";
import {
  fromBase64,
  type MessageVectors,
  type Tagged,
  type TaggedMessage,
} from "../support/vectors.ts";
import messages from "../vectors/messages.json" with { type: "json" };
import pickles from "../vectors/pickle.json" with { type: "json" };

/** An entry of `cases` or `pickle_only_cases` in pickle.json. */
interface PickleCase {
  readonly label: string;
  readonly base64: string;
  readonly input?: TaggedMessage;
  readonly opcodes?: string;
}

/** An entry of `decode_cases`. */
interface PickleDecodeCase {
  readonly label: string;
  readonly base64: string;
  readonly raises?: string;
}

const inputs = new Map(
  (messages as unknown as MessageVectors).cases.map(({ label, input }) => [label, input]),
);
const all = [...pickles.cases, ...pickles.pickle_only_cases] as unknown as PickleCase[];
const encoder = new PickleEncoder();

for (const vector of all) {
  const { label } = vector;
  const bytes = fromBase64(vector.base64);
  const input = vector.input ?? inputs.get(label)!;

  // Reference: PickleEncoder
  test(`PickleEncoder decodes what Python meant: ${label}`, () => {
    const expected = untagPickled(input);
    assertEquals(encoder.decode(bytes), expected);
    assertEquals(encoder.decodeExactly(bytes), expected);
  });

  test(`PickleEncoder decodeExactly and encode give the same bytes: ${label}`, () => {
    assertEquals(encoder.encode(encoder.decodeExactly(bytes)), bytes);
  });

  test(`Message decodes and encodes pickles to the same bytes: ${label}`, () => {
    withEncoder(() => {
      const message = Message.decode(bytes);
      assertEquals(message.encode(), bytes);
      assertEquals(message.copy().encode(), bytes);
      assertEquals(Message.fromDict(message.asDict()).encode(), bytes);
    });
  });

  test(`Message copied for a retry keeps what was pickled: ${label}`, () => {
    withEncoder(() => {
      const retry = Message.decode(bytes).copy({ options: { retries: 7 } });
      const back = Message.decode(retry.encode()).copy({ options: { retries: undefined } });
      if (Message.decode(bytes).option("retries") === undefined) assertEquals(back.encode(), bytes);
      const carrier = new Message({ queueName: "q", actorName: "a", args: [retry.asDict()] });
      const carried = Message.decode(carrier.encode()).copy().asDict().args[0];
      assertEquals(Message.fromDict(carried).encode(), retry.encode());
    });
  });
}

/** Messages that JavaScript cannot make from scratch in the same bytes, and why. */
const NOT_MADE_HERE: ReadonlyMap<string, string> = new Map([
  ["floats", "a number has no type: 1.0 is 1"],
  ["tuples", "a tuple is an array, and so is a list"],
  ["non-string-keys", "a number has no type: 2.0 is 2"],
  ["integer-like-keys", "objects put such keys first, in numeric order"],
  ["only-pickle-tuple-kept", "a tuple is an array, and so is a list"],
  ["only-pickle-frozenset", "a frozenset is a Set, and so is a set"],
  ["only-pickle-datetime", "a Date is sent as a datetime in UTC"],
  ["only-pickle-timedelta", "it is an object like any other"],
  ["only-pickle-complex", "it is an object like any other"],
  ["only-pickle-shared-object", "two equal arrays are not the same"],
]);

for (const { label, base64, input } of all) {
  const made = () => encoder.encode(untagPickled(input ?? inputs.get(label)!));
  const reason = NOT_MADE_HERE.get(label);
  if (reason === undefined) {
    test(`PickleEncoder writes what is made here in Python's bytes: ${label}`, () => {
      assertEquals(made(), fromBase64(base64));
    });
  } else {
    test(`PickleEncoder writes what is made here in other bytes, ${reason}: ${label}`, () => {
      assert(String(made()) !== String(fromBase64(base64)));
      assertEquals(encoder.decode(made()), encoder.decode(fromBase64(base64)));
    });
  }
}

for (const { label, base64, raises } of pickles.decode_cases as PickleDecodeCase[]) {
  test(`Message.decode takes of pickles what Python takes: ${label}`, () => {
    withEncoder(() => {
      const bytes = fromBase64(base64);
      if (raises === undefined) {
        const { args, messageTimestamp } = Message.decode(bytes);
        assertEquals(args, [1]);
        assertEquals(messageTimestamp, 1700000000123);
      } else {
        const error = assertThrows(() => Message.decode(bytes), DecodeError);
        assert(error.data === bytes);
        assertMatch(error.message, /^Cannot decode (pickle|message): ./);
        if (error.message.startsWith("Cannot decode pickle")) assertInstanceOf(error.cause, Error);
      }
    });
  });
}

test("Pickle vectors are all there, and hold every label of the differences", () => {
  const labels = all.map(({ label }) => label);
  for (const label of NOT_MADE_HERE.keys()) assert(labels.includes(label), label);
  for (const { label, input } of all) assert(input !== undefined || inputs.has(label), label);
  assertEquals(all.length, 51);
});

/** What the captures write down, as `PickleEncoder` reads it from a pickle. */
function untagPickled(tagged: Tagged): unknown {
  if (typeof tagged !== "object" || tagged === null) return tagged;
  if (Array.isArray(tagged)) return tagged.map(untagPickled);
  const entries = Object.entries(tagged);
  const [name, content] = entries[0] ?? [""];
  if (entries.length === 1 && name.startsWith("$")) return untagOne(name, content);
  return Object.fromEntries(entries.map(([key, value]) => [key, untagPickled(value)]));
}

function untagOne(tag: string, content: unknown): unknown {
  switch (tag) {
    case "$int":
      return BigInt(content as string);
    case "$float":
      return Number(String(content).replace("inf", "Infinity").replace("nan", "NaN"));
    case "$tuple":
      return (content as Tagged[]).map(untagPickled);
    case "$set":
      return new Set((content as Tagged[]).map(untagPickled));
    case "$bytes":
      return fromBase64(content as string);
    case "$pairs": {
      const pairs = (content as Tagged[][]).map((pair) => pair.map(untagPickled));
      const hasTextKeys = pairs.every(([key]) => typeof key === "string");
      return hasTextKeys
        ? Object.fromEntries(pairs as [string, unknown][])
        : new Map(pairs as [unknown, unknown][]);
    }
    case "$datetime":
      return new Date(`${content}Z`);
    case "$timedelta_seconds": {
      const seconds = Number(content);
      const whole = Math.floor(seconds);
      return { days: 0, seconds: whole, milliseconds: (seconds - whole) * 1_000 };
    }
    case "$python":
      assertEquals(content as string, "complex");
      return { real: 1, imag: 2 };
    default:
      throw new TypeError(`Cannot untag ${tag}`);
  }
}

function withEncoder(body: () => void): void {
  const before = getEncoder();
  setEncoder(encoder);
  try {
    body();
  } finally {
    setEncoder(before);
  }
}
