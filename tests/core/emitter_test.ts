import { assertEquals, assertRejects, assertThrows } from "@std/assert";
import { type Middleware, MiddlewareError, StubBroker } from "@dq/dramatiq";
import { Emitter } from "../../core/emitter.ts";
import { test } from "../support/test.ts";

function emitterOf(...middleware: Middleware[]): Emitter {
  const emitter = new Emitter(new StubBroker({ middleware: [] }));
  emitter.update(middleware);
  return emitter;
}

test("Emitter gives a promise only if a hook does, whatever else hooks return", async () => {
  const calls: string[] = [];
  const odd: unknown[] = [undefined, 3, null, "then", true, {}, { then: 5 }, () => {}];
  const sync = emitterOf(...odd.map((value): Middleware => ({
    beforeAck: () => {
      calls.push("before");
      return value as void;
    },
    afterAck: () => {
      calls.push("after");
      return value as void;
    },
  })));
  assertEquals([sync.emit("beforeAck"), sync.emit("afterAck")], [undefined, undefined]);
  assertEquals(calls.length, 2 * odd.length);

  const thenable: unknown = { then: (resolve: () => void) => void resolve() };
  for (const value of [Promise.resolve(), thenable as Promise<void>]) {
    const pending = emitterOf({ beforeAck: () => value }).emit("beforeAck");
    assertEquals(pending instanceof Promise, true);
    await pending;
  }
});

test("Emitter calls asynchronous hooks one after the other, in the order of their kind", async () => {
  const calls: string[] = [];
  const hook = (name: string): Middleware => ({
    beforeNack: () => Promise.resolve().then(() => void calls.push(`before ${name}`)),
    afterNack: () => Promise.resolve().then(() => void calls.push(`after ${name}`)),
  });
  const emitter = emitterOf(hook("a"), hook("b"));
  await emitter.emit("beforeNack");
  await emitter.emit("afterNack");
  assertEquals(calls, ["before a", "before b", "after b", "after a"]);
});

// Reference: MiddlewareError
test("Emitter passes on a MiddlewareError of before hooks, thrown or rejected, and stops", async () => {
  const calls: string[] = [];
  const last: Middleware = { beforeEnqueue: () => void calls.push("last") };
  const refuse = new MiddlewareError("no");
  const thrown = emitterOf({
    beforeEnqueue() {
      throw refuse;
    },
  }, last);
  assertThrows(() => thrown.emit("beforeEnqueue"), MiddlewareError, "no");
  const rejected = emitterOf({ beforeEnqueue: () => Promise.reject(refuse) }, last);
  await assertRejects(async () => await rejected.emit("beforeEnqueue"), MiddlewareError, "no");
  assertEquals(calls, []);
});

test("Emitter ignores whatever a hook throws, also what cannot be inspected", async () => {
  const { proxy, revoke } = Proxy.revocable(new Error("x"), {});
  revoke();
  const opaque = new Proxy(new Error("x"), {
    getPrototypeOf() {
      throw new Error("opaque");
    },
  });
  for (const thrown of [proxy, opaque, undefined, null]) {
    const calls: string[] = [];
    const throwing = () => {
      throw thrown;
    };
    const rejecting = () => Promise.reject(thrown);
    const last = () => void calls.push("last");
    for (const hook of ["beforeAck", "afterAck", "beforeNack", "afterProcessMessage"] as const) {
      for (const bad of [throwing, rejecting]) {
        await emitterOf({ [hook]: last }, { [hook]: bad }, { [hook]: last }).emit(hook);
      }
    }
    assertEquals(calls.length, 16);
  }
});

test("Emitter refuses asynchronous hooks of declarations", () => {
  const emitter = emitterOf({ beforeDeclareQueue: (async () => {}) as () => void });
  assertThrows(
    () => emitter.emitNow("beforeDeclareQueue", "q"),
    TypeError,
    "Cannot wait for hook beforeDeclareQueue: declaring is synchronous, and so are its hooks",
  );
});

test("Emitter.has is true if any middleware has the hook", () => {
  const emitter = emitterOf({ afterAck() {} });
  assertEquals([emitter.has("afterAck"), emitter.has("beforeAck")], [true, false]);
});
