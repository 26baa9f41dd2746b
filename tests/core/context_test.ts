import { assert, assertEquals, assertNotStrictEquals, assertStrictEquals } from "@std/assert";
import {
  currentMessage,
  currentSignal,
  Message,
  MessageProxy,
  Shutdown,
  TimeLimitExceeded,
} from "@dq/dramatiq";
import { leaveMessage, runWithMessage } from "../../core/context.ts";
import { test } from "../support/test.ts";

test("currentMessage and currentSignal know of no message outside an actor", () => {
  assertStrictEquals(currentMessage(), undefined);
  assertEquals(currentSignal().aborted, false);
  // A shared one would gather the listeners of the whole process.
  assertNotStrictEquals(currentSignal(), currentSignal());
});

test("runWithMessage hands over the message and the argument, and gives what it is given", () => {
  const proxy = proxyOf("a");
  const returned = runWithMessage(proxy, (message, argument: string) => {
    assertStrictEquals(message, proxy);
    return argument + "!";
  }, "x");
  assertEquals(returned, "x!");
});

test("currentMessage is each actor's own, through promises and within one another", async () => {
  const turns = Promise.withResolvers<void>();
  const run = (id: string) =>
    runWithMessage(proxyOf(id), async () => {
      const first = currentMessage()?.messageId;
      await turns.promise;
      const inner = runWithMessage(proxyOf(`${id}-inner`), () => currentMessage()?.messageId, 0);
      return [first, currentMessage()?.messageId, inner];
    }, 0);
  const both = Promise.all([run("a"), run("b")]);
  assertStrictEquals(currentMessage(), undefined);
  turns.resolve();
  assertEquals(await both, [["a", "a", "a-inner"], ["b", "b", "b-inner"]]);
  assertStrictEquals(currentMessage(), undefined);
});

test("currentMessage ends with an actor that throws", () => {
  try {
    runWithMessage(proxyOf("a"), () => {
      throw new Error("thrown");
    }, 0);
  } catch {
    assertStrictEquals(currentMessage(), undefined);
    return;
  }
  assert(false, "The error was swallowed");
});

test("currentMessage is undefined in background work that an actor has left", async () => {
  const proxy = proxyOf("a");
  const gate = Promise.withResolvers<void>();
  let leftBehind: Promise<unknown> | undefined;
  await runWithMessage(proxy, async () => {
    leftBehind = gate.promise.then(() => currentMessage());
    await Promise.resolve();
  }, 0);
  leaveMessage(proxy);
  leaveMessage(proxy); // once is enough
  // Whoever comes next gets the place.
  await runWithMessage(proxyOf("b"), async () => {
    gate.resolve();
    assertStrictEquals(await leftBehind, undefined);
    assertEquals(currentMessage()?.messageId, "b");
  }, 0);
});

test("currentMessage knows each of more messages than there are places", async () => {
  const gate = Promise.withResolvers<void>();
  const proxies = Array.from({ length: 5_000 }, (_, i) => proxyOf(`${i}`));
  const seen = proxies.map((proxy) =>
    runWithMessage(proxy, async () => {
      await gate.promise;
      return currentMessage()?.messageId;
    }, 0)
  );
  gate.resolve();
  assertEquals(await Promise.all(seen), proxies.map(({ messageId }) => messageId));
  for (const proxy of proxies) leaveMessage(proxy);
});

// Reference: Interrupt
test("currentSignal aborts with the first interrupt, before or after it was asked for", () => {
  for (const isAskedFirst of [true, false]) {
    const proxy = proxyOf("a");
    const early = isAskedFirst ? signalOf(proxy) : undefined;
    const reason = new TimeLimitExceeded("too long");
    proxy.interrupt(reason);
    proxy.interrupt(new Shutdown("stopping"));
    const signal = signalOf(proxy);
    if (early !== undefined) assertStrictEquals(signal, early);
    assert(signal.aborted);
    assertStrictEquals(signal.reason, reason);
    assertEquals(currentSignal().aborted, false);
  }
});

function signalOf(proxy: MessageProxy): AbortSignal {
  return runWithMessage(proxy, () => currentSignal(), 0) as AbortSignal;
}

function proxyOf(messageId: string): MessageProxy {
  return new MessageProxy(new Message({ queueName: "q", actorName: "a", args: [], messageId }));
}
