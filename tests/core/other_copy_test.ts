import { assertEquals, assertThrows } from "@std/assert";
import { actor, group, pipeline, Results, StubBroker } from "@dq/dramatiq";
import { showOther } from "../../core/other_copy.ts";
import { test } from "../support/test.ts";

/** Classes of another copy of the library, as an application in a monorepo may get them. */
class Message {
  toString() {
    return "add(1, 2)";
  }
}
class Actor {}
class ResultBackend {}
class RedisResultBackend extends ResultBackend {}

test("Errors say if an object may be of another copy of the library", () => {
  const advice = "of another copy of @dq/dramatiq, perhaps: see npm ls @dq/dramatiq)";
  const message = new Message() as never;
  assertThrows(
    () => pipeline([message]),
    TypeError,
    `Cannot put add(1, 2) (a Message ${advice} in`,
  );
  assertThrows(() => group([message]), TypeError, `Cannot put add(1, 2) (a Message ${advice} in`);
  const backend = new RedisResultBackend() as never;
  assertThrows(
    () => new Results({ backend }),
    TypeError,
    `(a ResultBackend ${advice}: backend must`,
  );
  const broker = new StubBroker();
  const onFailure = new Actor() as never;
  assertThrows(() => actor(function work() {}, { broker, onFailure }), TypeError, advice);
});

test("showOther gives any other value as text", () => {
  assertEquals(showOther({}), "[object Object]");
  assertEquals(showOther({ constructor: undefined }, "Message"), "[object Object]");
  assertEquals(showOther(new Actor(), "Message"), "[object Object]");
  for (const value of [undefined, null, 5, "text"]) assertEquals(showOther(value), String(value));
});
