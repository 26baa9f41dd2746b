import { assert, assertEquals, assertNotEquals } from "@std/assert";
import { JSONEncoder, Message } from "@dq/dramatiq";
import { fromWireOptions } from "../../core/message_options.ts";
import { test } from "../support/test.ts";
import { fromBase64, type MessageCase, type MessageVectors, untag } from "../support/vectors.ts";
import messages from "../vectors/messages.json" with { type: "json" };

const { cases } = messages as unknown as MessageVectors;

/** Messages that JavaScript cannot make from scratch in the same bytes, and why. */
const NOT_MADE_HERE: ReadonlyMap<string, string> = new Map([
  ["floats", "a number has no type: 1.0 is 1, and 1e+16 is an integer"],
  ["big-ints", "numbers beyond 2 ** 53 lose digits"],
  ["integer-like-keys", "objects put such keys first, in numeric order"],
]);

for (const vector of cases) {
  const { label, utf8 } = vector;
  const bytes = fromBase64(vector.base64);

  // Reference: JSONEncoder
  test(`JSONEncoder decodes what Python meant: ${label}`, () => {
    const expected = untag(vector.decoded === "same as input" ? vector.input : vector.decoded);
    assertEquals(new JSONEncoder().decode(bytes), expected);
    assertEquals(new JSONEncoder().decode(utf8), expected);
    assertEquals(new JSONEncoder().decodeExactly(bytes), expected);
    assertEquals(wireFields(Message.decode(bytes)), expected);
  });

  test(`JSONEncoder decodeExactly and encode give the same bytes: ${label}`, () => {
    const encoder = new JSONEncoder();
    assertEquals(encoder.encode(encoder.decodeExactly(bytes)), utf8);
    assertEquals(new TextEncoder().encode(utf8), bytes);
  });

  // Reference: Message.decode
  test(`Message decode and encode give the same bytes: ${label}`, () => {
    const message = Message.decode(bytes);
    assertEquals(message.encode(), utf8);
    assertEquals(message.copy().encode(), utf8);
    assertEquals(message.copy().copy().encode(), utf8);
    assertEquals(Message.fromDict(message.asDict()).encode(), utf8);
  });

  test(`Message copied for a retry keeps its text: ${label}`, () => {
    const retry = Message.decode(bytes).copy({ options: { retries: 1 } });
    assertEquals(retry.encode(), withRetries(utf8));
    const second = Message.decode(retry.encode()).copy({ options: { retries: 1 } });
    assertEquals(second.encode(), withRetries(utf8));
  });

  test(`Message inside another keeps its text: ${label}`, () => {
    const carrier = carrierOf(Message.decode(bytes));
    const expected =
      `{"queue_name":"q","actor_name":"outer","args":[${utf8}],"kwargs":{"m":${utf8}},` +
      `"options":{"pipe_target":${utf8},"group_completion_callbacks":[${utf8}]},` +
      `"message_id":"id","message_timestamp":1}`;
    assertEquals(carrier.encode(), expected);

    const received = Message.decode(carrier.encode());
    assertEquals(received.copy().encode(), expected);
    assertEquals(Message.fromDict(received.asDict().options["pipe_target"]).encode(), utf8);
  });

  const reason = NOT_MADE_HERE.get(label);
  if (reason === undefined) {
    // Reference: Message.encode
    test(`Message made here has Python's bytes: ${label}`, () => {
      assertEquals(messageOf(vector).encode(), utf8);
    });
  } else {
    test(`Message made here differs from Python's, ${reason}: ${label}`, () => {
      assertNotEquals(messageOf(vector).encode(), utf8);
      assertEquals(wireFields(messageOf(vector)), wireFields(Message.decode(bytes)));
    });
  }
}

test("Message vectors hold every message that JavaScript cannot make", () => {
  const labels = cases.map((vector) => vector.label);
  assertEquals(new Set(labels).size, labels.length);
  for (const label of NOT_MADE_HERE.keys()) assert(labels.includes(label), label);
});

/** The message, made as an application makes one. */
function messageOf({ input }: MessageCase): Message {
  return new Message({
    queueName: input.queue_name,
    actorName: input.actor_name,
    args: untag(input.args) as unknown[],
    kwargs: untag(input.kwargs) as Record<string, unknown>,
    options: fromWireOptions(untag(input.options) as Record<string, unknown>),
    messageId: input.message_id,
    messageTimestamp: input.message_timestamp,
  });
}

/** A message that holds another in all the ways there are. */
function carrierOf(message: Message): Message {
  const dict = message.asDict();
  return new Message({
    queueName: "q",
    actorName: "outer",
    args: [dict],
    kwargs: { m: dict },
    options: { pipeTarget: dict, groupCompletionCallbacks: [dict] },
    messageId: "id",
    messageTimestamp: 1,
  });
}

/** Fields that actors and middleware see, by their names on the wire. */
function wireFields(message: Message): Record<string, unknown> {
  const options = Object.entries(message.options);
  return {
    queue_name: message.queueName,
    actor_name: message.actorName,
    args: message.args,
    kwargs: message.kwargs,
    options: Object.fromEntries(options.map(([name, value]) => [snakeCase(name), value])),
    message_id: message.messageId,
    message_timestamp: message.messageTimestamp,
  };
}

function snakeCase(name: string): string {
  return name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
}

/** A message's text with one more option, or another value of it, and nothing else changed. */
function withRetries(text: string): string {
  const start = text.indexOf(',"options":{') + ',"options":{'.length;
  const end = text.lastIndexOf('},"message_id":');
  const options = text.slice(start, end);
  const changed = options.includes('"retries":2')
    ? options.replace('"retries":2', '"retries":1')
    : options + (options === "" ? "" : ",") + '"retries":1';
  return text.slice(0, start) + changed + text.slice(end);
}
