import {
  assert,
  assertEquals,
  assertInstanceOf,
  assertMatch,
  assertStrictEquals,
  assertThrows,
} from "@std/assert";
import {
  actor,
  DecodeError,
  decodeFromQueue,
  getEncoder,
  Message,
  type MessageFields,
  setEncoder,
  StubBroker,
  UndecodableMessage,
} from "@dq/dramatiq";
import fc from "fast-check";
import { test } from "../support/test.ts";

const ODD_ARGS = '[1.0,9007199254740993,{"2":1e5,"1":-0},NaN]';

test("Message fills in an id, a time, no keyword arguments and no options", () => {
  const before = Date.now();
  const message = new Message({ queueName: "default", actorName: "add", args: [1] });
  assertMatch(message.messageId, /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/);
  assert(message.messageTimestamp >= before && message.messageTimestamp <= Date.now());
  assertEquals(message.kwargs, {});
  assertEquals(message.options, {});
  assert(message.messageId !== messageOf().copy({ messageId: "other" }).messageId);
});

// Reference: Message
test("Message is what actor.message makes, and what send returns", async () => {
  const broker = new StubBroker();
  const add = actor(function add(a: number, b: number) {
    return a + b;
  }, { broker, queueName: "sums" });
  const message = add.message(1, 2);
  assertEquals([message.queueName, message.actorName, message.args], ["sums", "add", [1, 2]]);
  const sent = await add.send(3, 4);
  assertInstanceOf(sent, Message);
  assertEquals(sent.args, [3, 4]);
});

test("Message keeps its options when what they were made of changes", () => {
  const options: Record<string, unknown> = { maxRetries: 1 };
  const message = messageOf({ options });
  options["maxRetries"] = 2;
  options["more"] = 3;
  assertEquals(message.options, { maxRetries: 1 });
});

test("Message options are frozen, and its fields are readonly to the compiler", () => {
  for (const message of [messageOf({ options: { retries: 1 } }), messageOf(), decoded()]) {
    assert(Object.isFrozen(message.options));
    assertThrows(() => message.options["retries"] = 2, TypeError);
  }
  function _compiles(message: Message): void {
    // @ts-expect-error -- a message does not change
    message.queueName = "other";
    // @ts-expect-error -- a message does not change
    message.args[0] = 1;
  }
});

test("Message.copy leaves the original alone and keeps what is not named", () => {
  const message = messageOf({ kwargs: { a: 1 }, options: { retries: 1 } });
  const copy = message.copy({ queueName: "other", options: { retries: 2, eta: 5 } });
  assertEquals(message.options, { retries: 1 });
  assertEquals(message.queueName, "default");
  assertEquals(copy.asDict(), {
    ...message.asDict(),
    queue_name: "other",
    options: { retries: 2, eta: 5 },
  });
});

// Reference: Message.queue_name, Message.actor_name, Message.args, Message.kwargs
// Reference: Message.options, Message.message_id, Message.message_timestamp
test("Message.copy changes every field", () => {
  const fields: Required<MessageFields> = {
    queueName: "q",
    actorName: "a",
    args: ["x"],
    kwargs: { k: 1 },
    options: { maxAge: 5 },
    messageId: "id",
    messageTimestamp: 7,
  };
  for (const original of [messageOf(), Message.decode(messageOf().encode())]) {
    assertEquals(original.copy(fields).asDict(), new Message(fields).asDict());
  }
});

// Reference: Message.copy
test("Message.copy merges options and takes out those that are undefined", () => {
  const options = { maxRetries: 3, tenant: "acme", traceback: "t", onFailure: null };
  for (const message of [messageOf({ options }), Message.decode(messageOf({ options }).encode())]) {
    const copy = message.copy({ options: { maxRetries: undefined, tenant: undefined, eta: 1 } });
    assertEquals(copy.options, { traceback: "t", onFailure: null, eta: 1 });
    assertEquals(Object.keys(copy.options), ["traceback", "onFailure", "eta"]);
    assertEquals(message.copy({ options: { absent: undefined } }).options, options);
  }
});

test("Message.copy keeps an option __proto__ as data", () => {
  const message = Message.decode(wireText("[]", '{"__proto__":{"polluted":1.0}}'));
  const copy = message.copy({ options: { retries: 1 } });
  assertEquals(copy.encode(), wireText("[]", '{"__proto__":{"polluted":1.0},"retries":1}'));
  assertStrictEquals(copy.option("polluted"), undefined);
  assertStrictEquals("polluted" in {}, false);
});

test("Message.option gives what options gives, by the same names", () => {
  const names = ["maxRetries", "maxAge", "retries", "eta", "tenant", "__proto__", "toString"];
  const wireOptions = fc.dictionary(
    fc.constantFrom("max_retries", "maxRetries", "max_age", "retries", "tenant", "__proto__"),
    fc.constantFrom(0, 1, null, false, "x"),
  );
  fc.assert(
    fc.property(wireOptions, (options) => {
      const message = Message.decode(wireText("[]", JSON.stringify(options)));
      for (const name of names) {
        const expected = Object.hasOwn(message.options, name) ? message.options[name] : undefined;
        assertStrictEquals(message.option(name), expected, name);
      }
    }),
    { numRuns: 300 },
  );
});

test("Message.option is undefined for a message without options", () => {
  assertStrictEquals(messageOf().option("maxRetries"), undefined);
  assertStrictEquals(messageOf().option("constructor"), undefined);
  assertStrictEquals(messageOf({ options: { maxRetries: null } }).option("maxRetries"), null);
});

// Reference: Message.message_datetime
test("Message.messageDatetime is the timestamp as a Date", () => {
  const message = messageOf({ messageTimestamp: 1700000000123 });
  assertEquals(message.messageDatetime.toISOString(), "2023-11-14T22:13:20.123Z");
});

// Reference: Message.asdict
test("Message.asDict names the fields and options as on the wire, in the order of the wire", () => {
  const message = messageOf({
    kwargs: { b: 1, a: 2 },
    options: { tenant: 1, maxRetries: 2, onSuccess: "done" },
    messageId: "id",
    messageTimestamp: 5,
  });
  assertEquals(
    JSON.stringify(message.asDict()),
    '{"queue_name":"default","actor_name":"add","args":[1,2],"kwargs":{"b":1,"a":2},' +
      '"options":{"tenant":1,"max_retries":2,"on_success":"done"},' +
      '"message_id":"id","message_timestamp":5}',
  );
  assertEquals(message.encode(), JSON.stringify(message.asDict()));
  assertEquals(Message.fromDict(message.asDict()).asDict(), message.asDict());
});

test("Message.encode keeps the id and time that decode filled in", () => {
  const message = Message.decode(
    '{"queue_name":"q","actor_name":"a","args":[],"kwargs":{},"options":{}}',
  );
  assertEquals(Message.decode(message.encode()).messageId, message.messageId);
  assertEquals(Message.decode(message.encode()).messageTimestamp, message.messageTimestamp);
  assertEquals(message.copy().messageId, message.messageId);
});

test("Message passes on its arguments as received, whatever its actor did to them", () => {
  const text = wireText(ODD_ARGS, '{"tenant":{"id":1.0}}');
  const message = Message.decode(text);
  const args = message.args as unknown[];
  args.push("more");
  (args[2] as Record<string, unknown>)["1"] = "changed";
  (message.kwargs as Record<string, unknown>)["added"] = true;
  (message.options["tenant"] as Record<string, unknown>)["id"] = 2;

  assertEquals(message.encode(), text);
  assertEquals(message.copy().encode(), text);
  assertEquals(Message.fromDict(message.asDict()).encode(), text);
  const retry = message.copy({ options: { retries: 1 } });
  assertEquals(retry.encode(), wireText(ODD_ARGS, '{"tenant":{"id":1.0},"retries":1}'));
});

test("Message.copy keeps the text of the options that it does not change", () => {
  const message = Message.decode(wireText("[]", '{"2":1.0,"ratio":1e5,"1":9007199254740993}'));
  const cases: [Record<string, unknown>, string][] = [
    [{ retries: 1 }, '{"2":1.0,"ratio":1e5,"1":9007199254740993,"retries":1}'],
    [{ ratio: 0.5 }, '{"2":1.0,"ratio":0.5,"1":9007199254740993}'],
    [{ 2: undefined }, '{"ratio":1e5,"1":9007199254740993}'],
  ];
  for (const [options, text] of cases) {
    assertEquals(message.copy({ options }).encode(), wireText("[]", text));
  }
});

test("Message passes on every number in its own spelling, wherever it is", () => {
  for (const number of ["1e3", "1E+3", "1.0", "-0", "-0.0", "1e400", "9007199254740993", "NaN"]) {
    for (const args of [`[${number}]`, `[[${number},1]]`, `["x",{"a":${number}}]`]) {
      const text = wireText(args, `{"tenant":${number}}`);
      assertEquals(Message.decode(text).copy().encode(), text);
    }
  }
});

test("Message.toString is the call, as people write it", () => {
  const cases: [Partial<MessageFields>, string][] = [
    [{}, "add(1, 2)"],
    [{ args: [] }, "add()"],
    [{ args: ["x", [1], { a: null }] }, 'add("x", [1], {"a":null})'],
    [{ kwargs: { c: "d" } }, 'add(1, 2, c="d")'],
    [{ args: [], kwargs: { a: 1, b: 2 } }, "add(a=1, b=2)"],
    [{ args: [undefined, 5n] }, "add(undefined, 5)"],
    [{ args: [NaN, -Infinity] }, "add(NaN, -Infinity)"],
  ];
  for (const [fields, text] of cases) assertEquals(String(messageOf(fields)), text);
});

test("Message.toString shows a cycle, and cuts long arguments", () => {
  const cycle: unknown[] = [];
  cycle.push({ cycle });
  assertMatch(String(messageOf({ args: [cycle] })), /^add\(.*\)$/);
  const text = String(messageOf({ args: ["x".repeat(10_000)] }));
  assertMatch(text, /^add\("x{199}…\)$/);
});

test("Message.fromDict refuses what is no message", () => {
  for (const dict of [undefined, null, 1, "text", [], {}, { ...messageOf().asDict(), extra: 1 }]) {
    assertThrows(() => Message.fromDict(dict), DecodeError, "Cannot decode message: ");
  }
});

test("Message.decode names what is missing or unknown", () => {
  const cases: [string, string][] = [
    ["1", "it is a number, not an object"],
    ["null", "it is null, not an object"],
    ["{}", "its queue_name is missing"],
    [wireText("[]", "{}").replace('"args":[],', ""), "its args is missing"],
    [wireText("[]", '{},"extra":1,"__proto__":2'), "it has unknown fields: extra, __proto__"],
  ];
  for (const [text, reason] of cases) {
    const { message } = assertThrows(() => Message.decode(text), DecodeError);
    assertEquals(message, `Cannot decode message: ${reason}`);
  }
});

test("decodeFromQueue gives the message, or the data untouched", () => {
  assertEquals(decodeFromQueue("q", decoded().encode()).encode(), decoded().encode());

  for (const data of ["{", new Uint8Array([255, 0]), "[]"]) {
    const message = decodeFromQueue("default.DQ", data);
    assertInstanceOf(message, UndecodableMessage);
    assertInstanceOf(message.error, DecodeError);
    assertStrictEquals(message.encode(), data);
    assertEquals([message.queueName, message.actorName], ["default.DQ", ""]);
    assertEquals([message.args, message.kwargs, message.options], [[], {}, {}]);
  }
});

test("decodeFromQueue never throws", () => {
  const anything = fc.oneof(fc.uint8Array(), fc.string(), fc.json(), fc.json().map(inOptions));
  fc.assert(
    fc.property(anything, (data) => {
      const message = decodeFromQueue("q", data);
      if (message instanceof UndecodableMessage) assertStrictEquals(message.encode(), data);
    }),
    { numRuns: 500 },
  );
});

test("decodeFromQueue takes whatever an encoder throws for a reason", () => {
  const { proxy, revoke } = Proxy.revocable(new Error("x"), {});
  revoke();
  const previous = getEncoder();
  try {
    for (const thrown of [proxy, undefined, Symbol("s"), { code: 5 }]) {
      setEncoder({
        encode: (data) => JSON.stringify(data),
        decode() {
          throw thrown;
        },
      });
      const message = decodeFromQueue("q", "data");
      assertInstanceOf(message, UndecodableMessage);
      assertMatch(message.error.message, /^Cannot decode data: ./);
      assertStrictEquals(message.encode(), "data");
    }
  } finally {
    setEncoder(previous);
  }
});

function inOptions(json: string): string {
  return wireText("[]", json);
}

function messageOf(fields: Partial<MessageFields> = {}): Message {
  return new Message({ queueName: "default", actorName: "add", args: [1, 2], ...fields });
}

function decoded(): Message {
  return Message.decode(wireText(ODD_ARGS, '{"max_retries":1}'));
}

/** A message as Python would write it. */
function wireText(args: string, options: string): string {
  return `{"queue_name":"default","actor_name":"add","args":${args},"kwargs":{},` +
    `"options":${options},"message_id":"id","message_timestamp":5}`;
}
