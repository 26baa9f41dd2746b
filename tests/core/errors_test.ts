import {
  assert,
  assertEquals,
  assertLessOrEqual,
  assertMatch,
  assertStringIncludes,
} from "@std/assert";
import * as library from "@dq/dramatiq";
import fc from "fast-check";
import { errorMessage, errorType, formatTraceback } from "../../platform/thrown.ts";
import { fromWire, toWire } from "../../worker/executors/thrown_on_wire.ts";
import { test } from "../support/test.ts";

type AnyErrorClass = abstract new (...args: never[]) => Error;

/** Every error of the library, and the class it extends. */
const PARENTS: readonly (readonly [AnyErrorClass, AnyErrorClass])[] = [
  [library.DramatiqError, Error],
  [library.DecodeError, library.DramatiqError],
  [library.BrokerError, library.DramatiqError],
  [library.ActorNotFound, library.BrokerError],
  [library.QueueNotFound, library.BrokerError],
  [library.QueueJoinTimeout, library.DramatiqError],
  [library.BrokerConnectionError, library.BrokerError],
  [library.ConnectionClosed, library.BrokerConnectionError],
  [library.ConnectionFailed, library.BrokerConnectionError],
  [library.RequestRejected, library.BrokerError],
  [library.ActorCrashed, library.DramatiqError],
  [library.RateLimitExceeded, library.DramatiqError],
  [library.BarrierNotFound, library.DramatiqError],
  [library.Retry, library.DramatiqError],
  [library.DuplicateMessage, library.DramatiqError],
  [library.PoisonMessage, library.DramatiqError],
  [library.NotSupported, library.DramatiqError],
  [library.Snooze, library.DramatiqError],
  [library.ResultError, library.DramatiqError],
  [library.ResultMissing, library.ResultError],
  [library.ResultTimeout, library.ResultError],
  [library.ResultFailure, library.ResultError],
  [library.MiddlewareError, Error],
  [library.SkipMessage, library.MiddlewareError],
  [library.FollowUpNotStored, library.DramatiqError],
  [library.Interrupt, Error],
  [library.TimeLimitExceeded, library.Interrupt],
  [library.Cancelled, library.Interrupt],
  [library.Shutdown, library.Interrupt],
  [library.WorkerLost, library.Interrupt],
];

test("Errors of the library have the names of their classes, and their parents in the reference", () => {
  for (const [ErrorClass, parent] of PARENTS) {
    assertEquals(Object.getPrototypeOf(ErrorClass), parent);
    // They take a delay and an ability first, see middleware/snooze_test.ts.
    if (ErrorClass === library.Snooze || ErrorClass === library.NotSupported) continue;
    const error = Reflect.construct(ErrorClass, ["why"]) as Error;
    assert(error instanceof parent);
    assertEquals(error.name, ErrorClass.name);
    assertEquals(errorType(error), ErrorClass.name);
    assertEquals(String(error), `${ErrorClass.name}: why`);
    // A field of the object would be shown beside the stack wherever the error is inspected.
    assert(!Object.hasOwn(error, "name"), ErrorClass.name);
  }
});

// Reference: DramatiqError, BrokerError, ResultError
test("Every error class of the library has its place in the tree of errors", () => {
  const known = new Set<unknown>(PARENTS.map(([ErrorClass]) => ErrorClass));
  for (const [name, value] of Object.entries(library)) {
    if (typeof value !== "function" || !(value.prototype instanceof Error)) continue;
    assert(known.has(value), `${name} is not in the table of this test`);
  }
});

test("Every error class of the library is the same class in threads and processes", () => {
  for (const [ErrorClass] of PARENTS) {
    const error = Object.setPrototypeOf(new Error("why"), ErrorClass.prototype);
    const arrived = fromWire(structuredClone(toWire(error)));
    assert(arrived instanceof ErrorClass, ErrorClass.name);
  }
});

test("A catch for DramatiqError swallows no interrupt and no MiddlewareError", () => {
  const steering = [
    library.Interrupt,
    library.TimeLimitExceeded,
    library.Cancelled,
    library.Shutdown,
    library.WorkerLost,
    library.MiddlewareError,
    library.SkipMessage,
  ];
  for (const ErrorClass of steering) {
    assert(!(new ErrorClass("why") instanceof library.DramatiqError), ErrorClass.name);
  }
});

// Reference: ConnectionError
test("ConnectionError is dramatiq's name of BrokerConnectionError", () => {
  assertEquals(library.ConnectionError, library.BrokerConnectionError);
});

test("DramatiqError and those under it keep the cause", () => {
  const cause = new Error("below");
  const made = [
    new library.DramatiqError("x", { cause }),
    new library.DecodeError("x", "data", { cause }),
    new library.Retry("x", { cause, delay: 5 }),
    new library.ResultFailure("x", { cause }),
  ];
  for (const error of made) assertEquals(error.cause, cause);
});

// Reference: Retry
test("DecodeError, Retry and ResultFailure carry what they are given", () => {
  const bytes = new Uint8Array([1]);
  assertEquals(new library.DecodeError("x", bytes).data, bytes);
  assertEquals(new library.Retry().message, "");
  assertEquals(new library.Retry().delay, undefined);
  assertEquals(new library.Retry("later", { delay: 0 }).delay, 0);
  const failure = new library.ResultFailure("x", { origExcType: "KeyError", origExcMsg: "'k'" });
  assertEquals([failure.origExcType, failure.origExcMsg], ["KeyError", "'k'"]);
  assertEquals(new library.ResultFailure().origExcType, "");
});

class Plain extends Error {}
class OutOfRange extends RangeError {}
class Later extends library.Retry {}
class Named extends Error {
  override readonly name = "AnotherName";
}

test("errorType names the class of what was thrown", () => {
  const cases: [unknown, string][] = [
    [new Error("x"), "Error"],
    [new TypeError("x"), "TypeError"],
    [new Plain("x"), "Plain"],
    [new Named("x"), "AnotherName"],
    [Object.assign(new Error("x"), { name: "" }), "Error"],
    [new DOMException("x", "AbortError"), "AbortError"],
    ["text", "string"],
    [5, "number"],
    [null, "null"],
    [undefined, "undefined"],
    [{}, "object"],
  ];
  for (const [thrown, expected] of cases) assertEquals(errorType(thrown), expected);
});

test("errorType names a class that extends one with a name of its own", () => {
  assertEquals(errorType(new OutOfRange("x")), "OutOfRange");
  assertEquals(errorType(new Later("x")), "Later");
});

test("errorMessage is the message, or the text of what is no error", () => {
  assertEquals(errorMessage(new TypeError("why")), "why");
  assertEquals(errorMessage("text"), "text");
  assertEquals(errorMessage(undefined), "undefined");
  assertEquals(errorMessage(Symbol("s")), "Symbol(s)");
});

test("errorType, errorMessage and formatTraceback take anything that can be thrown", () => {
  fc.assert(
    fc.property(fc.anything({ withNullPrototype: true, withBigInt: true }), (thrown) => {
      assert(errorType(thrown) !== "");
      assertEquals(typeof errorMessage(thrown), "string");
      assertMatch(formatTraceback(thrown), /[^\s][^]*\n$/);
    }),
    { numRuns: 200, examples: [[undefined], [null], [Object.create(null)]] },
  );
});

test("formatTraceback starts with the error, goes on with its frames and ends in a line break", () => {
  const text = formatTraceback(fail("first line\nsecond line"));
  assert(text.startsWith("Plain: first line\nsecond line\n"), text);
  assertStringIncludes(text, "errors_test.ts");
  assertStringIncludes(text, "fail");
  assertEquals(text.split("second line").length, 2);
  assert(text.endsWith("\n") && !text.endsWith("\n\n"), text);
});

test("formatTraceback tells the causes, the nearest first", () => {
  const root = fail("root");
  const middle = new TypeError("middle", { cause: root });
  const text = formatTraceback(new Error("top", { cause: middle }));
  assertMatch(
    text,
    /^Error: top\n[^]*\nCaused by: TypeError: middle\n[^]*\nCaused by: Plain: root\n/,
  );
  assertStringIncludes(
    formatTraceback(new Error("x", { cause: "text" })),
    "Caused by: string: text",
  );
});

test("formatTraceback ends where causes go round", () => {
  const first = new Error("first");
  const second = new Error("second", { cause: first });
  first.cause = second;
  const text = formatTraceback(first);
  assertEquals(text.split("Caused by: ").length, 2);
  const own = new Error("own");
  own.cause = own;
  assertEquals(formatTraceback(own).includes("Caused by"), false);
});

test("formatTraceback does without a stack", () => {
  const error = new Plain("no stack");
  for (const stack of [undefined, "", "nonsense"]) {
    Object.defineProperty(error, "stack", { value: stack, configurable: true });
    assertEquals(formatTraceback(error), "Plain: no stack\n");
  }
  assertEquals(formatTraceback("text"), "string: text\n");
});

test("formatTraceback is cut at 16 KiB", () => {
  const text = formatTraceback(new Error("x".repeat(100_000)));
  assertLessOrEqual(text.length, 16 * 1024 + 2);
  assert(text.startsWith("Error: xxx") && text.endsWith("x…\n"));
});

function fail(message: string): Plain {
  return new Plain(message);
}

test("errorMessage writes thrown objects without a text of their own as JSON", () => {
  assertEquals(errorMessage({ code: 5, detail: "no" }), '{"code":5,"detail":"no"}');
  assertEquals(errorMessage(Object.assign([], { x: 1 })), "");
  assertEquals(errorMessage({ toString: () => "own text" }), "own text");
  const circle: Record<string, unknown> = {};
  circle["self"] = circle;
  assertEquals(errorMessage(circle), "[object Object]");
  assertEquals(errorMessage({ text: "x".repeat(20_000) }).length < 17_000, true);
  assertEquals(errorMessage(Object.create(null)), "a value of type object");
});
