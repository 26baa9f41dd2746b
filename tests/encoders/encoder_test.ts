import { assertEquals } from "@std/assert";
import {
  actor,
  type Encoded,
  type Encoder,
  getEncoder,
  JSONEncoder,
  Message,
  setEncoder,
  StubBroker,
} from "@dq/dramatiq";
import { test } from "../support/test.ts";

/** JSON, back to front. */
class Reversed implements Encoder {
  encode(value: unknown): Encoded {
    return [...JSON.stringify(value)].reverse().join("");
  }
  decode(data: Encoded): unknown {
    const text = typeof data === "string" ? data : new TextDecoder().decode(data);
    return JSON.parse([...text].reverse().join(""));
  }
}

// Reference: get_encoder, set_encoder, Encoder.encode, Encoder.decode
test("setEncoder sets what getEncoder gives, and what messages are written and read with", async () => {
  const before = getEncoder();
  assertEquals(before instanceof JSONEncoder, true);
  const encoder = new Reversed();
  setEncoder(encoder);
  try {
    assertEquals(getEncoder() === encoder, true);
    await using broker = new StubBroker();
    const add = actor(function add(a: number, b: number) {
      return a + b;
    }, { broker });
    const message = await add.send(1, 2);
    const data = message.encode();
    assertEquals(data, encoder.encode(message.asDict()));
    assertEquals(Message.decode(data).args, [1, 2]);
    await using consumer = broker.consume("default");
    const [received] = await consumer.receive(1);
    assertEquals(received!.args, [1, 2]);
  } finally {
    setEncoder(before);
  }
});
