import { assert, assertEquals, assertStrictEquals, assertStringIncludes } from "@std/assert";
import { Message, MessageProxy, Shutdown, TimeLimitExceeded } from "@dq/dramatiq";
import { test } from "../support/test.ts";

function delivery(): MessageProxy {
  return new MessageProxy(new Message({ queueName: "q", actorName: "a", args: [1] }));
}

// Reference: MessageProxy
test("MessageProxy gives the fields and options of its message, of a changed one too", () => {
  const proxy = delivery();
  const { messageId, messageTimestamp } = proxy.message;
  proxy.message = proxy.message.copy({ options: { maxRetries: 3 } });
  assertEquals(
    [proxy.queueName, proxy.actorName, proxy.args, proxy.kwargs, proxy.options],
    ["q", "a", [1], {}, { maxRetries: 3 }],
  );
  assertEquals([proxy.messageId, proxy.messageTimestamp], [messageId, messageTimestamp]);
  assertEquals(proxy.option("maxRetries"), 3);
});

// Reference: MessageProxy.failed, MessageProxy.fail
test("MessageProxy.fail marks a message for the dead letters", () => {
  const proxy = delivery();
  assertEquals(proxy.failed, false);
  proxy.fail();
  assertEquals(proxy.failed, true);
});

// Reference: MessageProxy.clear_exception
test("MessageProxy.clearException takes back what stuffException noted, in the dead letter too", () => {
  const proxy = delivery();
  const error = new Error("boom");
  proxy.stuffException(error);
  assertEquals(proxy.exception, error);
  assertStringIncludes(String(proxy.deadLetter.option("traceback")), "boom");
  proxy.clearException();
  assertEquals(proxy.exception, undefined);
  assertEquals(proxy.deadLetter, proxy.message);
});

test("MessageProxy formats the traceback of an exception once, for its retry and its dead letter", () => {
  const proxy = delivery();
  let reads = 0;
  const failing = (text: string) =>
    Object.defineProperty(new Error(text), "stack", {
      get: () => {
        reads += 1;
        return `Error: ${text}`;
      },
    });
  proxy.stuffException(failing("first"));
  proxy.message = proxy.message.copy({ options: { traceback: proxy.traceback } });
  assertStrictEquals(proxy.deadLetter, proxy.message);
  assertEquals(reads, 1);
  proxy.stuffException(failing("second"));
  assertEquals(proxy.deadLetter.option("traceback"), "Error: second\n");
  assertEquals(proxy.deadLetterWithin(5).option("traceback"), "Error…\n");
});

test("MessageProxy.interrupt keeps the first reason, and notifies of each", () => {
  const proxy = delivery();
  const told: unknown[] = [];
  proxy.onInterrupt = { interrupted: (...args) => void told.push(args) };
  const [first, second] = [new Shutdown("first"), new TimeLimitExceeded("second")];
  proxy.interrupt(first);
  proxy.interrupt(second, { grace: 10 });
  assertStrictEquals(proxy.interruptReason, first);
  assertStrictEquals(proxy.signal.reason, first);
  assertEquals(told, [[first, Infinity], [second, 10]]);
});

test("MessageProxy.renew has a message begin anew: no interrupt, a signal of its own, all its time", () => {
  const proxy = delivery();
  proxy.timeLimit = 1_000;
  const { signal } = proxy;
  proxy.interrupt(new TimeLimitExceeded("late"));
  assert(signal.aborted);
  proxy.renew(5_000);
  assertEquals([proxy.interruptReason, proxy.deadline], [undefined, 6_000]);
  assertEquals([proxy.signal === signal, proxy.signal.aborted], [false, false]);
});
