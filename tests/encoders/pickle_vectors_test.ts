import { assert, assertEquals, assertInstanceOf, assertMatch, assertThrows } from "@std/assert";
import { DecodeError, getEncoder, Message, PickleEncoder, setEncoder } from "@dq/dramatiq";
import { test } from "../support/test.ts";
import { fromBase64 } from "../support/vectors.ts";
import pickles from "../vectors/pickle.json" with { type: "json" };
import { VECTORS } from "./pickle_vectors.ts";

/** An entry of `decode_cases`. */
interface PickleDecodeCase {
  readonly label: string;
  readonly base64: string;
  readonly raises?: string;
}

const encoder = new PickleEncoder();

for (const { label, bytes, value } of VECTORS) {
  const passedOn = () => encoder.encode(encoder.decodeExactly(bytes));

  // Reference: PickleEncoder
  test(`PickleEncoder decodes what Python meant: ${label}`, () => {
    const expected = value();
    for (const pickle of [bytes, passedOn(), encoder.encode(expected)]) {
      assertEquals(encoder.decode(pickle), expected);
      assertEquals(encoder.decodeExactly(pickle), expected);
    }
    assertEquals(encoder.encode(encoder.decodeExactly(passedOn())), passedOn());
  });

  test(`Message passes on what was pickled: ${label}`, () => {
    withEncoder(() => {
      const message = Message.decode(bytes);
      assertEquals(message.encode(), passedOn());
      assertEquals(message.copy().encode(), passedOn());
      assertEquals(Message.fromDict(message.asDict()).encode(), passedOn());
    });
  });

  test(`Message copied for a retry keeps what was pickled: ${label}`, () => {
    withEncoder(() => {
      const retry = Message.decode(bytes).copy({ options: { retries: 7 } });
      const back = Message.decode(retry.encode()).copy({ options: { retries: undefined } });
      if (Message.decode(bytes).option("retries") === undefined) {
        assertEquals(back.encode(), passedOn());
      }
      const carrier = new Message({ queueName: "q", actorName: "a", args: [retry.asDict()] });
      const carried = Message.decode(carrier.encode()).copy().asDict().args[0];
      assertEquals(Message.fromDict(carried).encode(), retry.encode());
    });
  });
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

test("Pickle vectors are all there", () => {
  assertEquals(VECTORS.length, 51);
});

function withEncoder(body: () => void): void {
  const before = getEncoder();
  setEncoder(encoder);
  try {
    body();
  } finally {
    setEncoder(before);
  }
}
