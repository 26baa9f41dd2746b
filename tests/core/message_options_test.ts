import { assert, assertEquals, assertStrictEquals } from "@std/assert";
import { Message } from "@dq/dramatiq";
import fc from "fast-check";
import {
  fromWireOptions,
  type MessageOptions,
  toWireName,
  toWireOptions,
} from "../../core/message_options.ts";
import { test } from "../support/test.ts";
import { anyText } from "../encoders/json_arbitraries.ts";

/** Every built-in option: its name here, and its name in Python. */
const BUILT_IN: Readonly<Record<string, string>> = {
  brokerPriority: "broker_priority",
  delay: "delay",
  eta: "eta",
  groupCompletionCallbacks: "group_completion_callbacks",
  groupCompletionUuid: "group_completion_uuid",
  maxAge: "max_age",
  maxBackoff: "max_backoff",
  maxRetries: "max_retries",
  minBackoff: "min_backoff",
  notifyShutdown: "notify_shutdown",
  onFailure: "on_failure",
  onRetryExhausted: "on_retry_exhausted",
  onSuccess: "on_success",
  pipeIgnore: "pipe_ignore",
  pipeTarget: "pipe_target",
  redisMessageId: "redis_message_id",
  requeueTimestamp: "requeue_timestamp",
  resultTtl: "result_ttl",
  retries: "retries",
  retryWhen: "retry_when",
  storeResults: "store_results",
  throws: "throws",
  timeLimit: "time_limit",
  traceback: "traceback",
};

const camelCase = Object.keys(BUILT_IN).filter((name) => BUILT_IN[name] !== name);
const anyName = fc.oneof(
  fc.constantFrom(...Object.values(BUILT_IN)),
  anyText,
  fc.constantFrom("tenant", "myOption", "my_option", "__proto__", "constructor", "1", "0"),
).filter((name) => !camelCase.includes(name));
const anyValue = fc.oneof(fc.constantFrom(null, 0, false, ""), fc.jsonValue());

/** Options by distinct names, in the order of the list where objects keep it. */
function optionsOf(names: fc.Arbitrary<string>): fc.Arbitrary<Record<string, unknown>> {
  return fc.uniqueArray(fc.tuple(names, anyValue), { maxLength: 8, selector: ([name]) => name })
    .map(Object.fromEntries);
}

test("toWireName gives Python's name of every built-in option, and any other as it is", () => {
  for (const [local, wire] of Object.entries(BUILT_IN)) {
    assertEquals(toWireName(local), wire);
    assertEquals(toWireName(wire), wire);
  }
  for (const name of ["tenant", "myOption", "__proto__", "constructor", "", "MaxRetries"]) {
    assertEquals(toWireName(name), name);
  }
});

test("fromWireOptions gives the name here of every built-in option", () => {
  for (const [local, wire] of Object.entries(BUILT_IN)) {
    assertEquals(fromWireOptions({ [wire]: 1 }), { [local]: 1 });
  }
});

test("toWireOptions undoes fromWireOptions, whatever the names, in the same order", () => {
  fc.assert(
    fc.property(optionsOf(anyName), (wire) => {
      const back = toWireOptions(fromWireOptions(wire));
      assertEquals(back, wire);
      assertEquals(Object.keys(back), Object.keys(wire));
    }),
    { numRuns: 500 },
  );
});

test("fromWireOptions undoes toWireOptions, whatever the names, in the same order", () => {
  const localName = fc.oneof(
    fc.constantFrom(...Object.keys(BUILT_IN)),
    anyText.filter((name) => !Object.values(BUILT_IN).includes(name)),
  );
  fc.assert(
    fc.property(optionsOf(localName), (options) => {
      const back = fromWireOptions(toWireOptions(options));
      assertEquals(back, options);
      assertEquals(Object.keys(back), Object.keys(options));
    }),
    { numRuns: 500 },
  );
});

test("Message options travel and come back, whatever their names", () => {
  fc.assert(
    fc.property(optionsOf(anyName), (wire) => {
      const options = fromWireOptions(wire);
      const message = new Message({ queueName: "q", actorName: "a", args: [], options });
      const received = Message.decode(message.encode());
      assertEquals(received.options, options);
      assertEquals(received.asDict().options, wire);
    }),
    { numRuns: 300 },
  );
});

test("fromWireOptions lets Python's name win where both are on the wire", () => {
  const expected = { maxRetries: 1 };
  assertEquals(fromWireOptions({ max_retries: 1, maxRetries: 2 }), expected);
  assertEquals(fromWireOptions({ maxRetries: 2, max_retries: 1 }), expected);
  assertEquals(fromWireOptions({ maxRetries: 2, max_retries: null }), { maxRetries: null });
});

test("toWireOptions leaves out what is undefined and keeps null, 0, false and empty text", () => {
  const options = { maxAge: null, maxRetries: 0, notifyShutdown: false, tenant: "" };
  const undefinedToo = { ...options, timeLimit: undefined, other: undefined };
  assertEquals(toWireOptions(undefinedToo as unknown as MessageOptions), {
    max_age: null,
    max_retries: 0,
    notify_shutdown: false,
    tenant: "",
  });
  assertEquals(toWireOptions(undefined), {});
});

test("toWireOptions and fromWireOptions keep __proto__ as data", () => {
  const named = JSON.parse('{"a":1,"__proto__":{"max_retries":5}}');
  for (const result of [toWireOptions(named), fromWireOptions(named)]) {
    assertEquals(Object.keys(result), ["a", "__proto__"]);
    assertStrictEquals(Object.getPrototypeOf(result), Object.prototype);
    assertStrictEquals(result["max_retries"], undefined);
  }
  assertStrictEquals("max_retries" in {}, false);
});

test("fromWireOptions freezes the options, and leaves what it was given alone", () => {
  const wire = { max_retries: 1 };
  assert(Object.isFrozen(fromWireOptions(wire)));
  assert(!Object.isFrozen(wire));
  assertEquals(wire, { max_retries: 1 });
});
