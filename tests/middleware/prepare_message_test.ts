import { assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import {
  actor,
  type Broker,
  defaultMiddleware,
  group,
  type Message,
  type Middleware,
  MiddlewareError,
  pipeline,
  StubBroker,
  Worker,
} from "@dq/dramatiq";
import { FakeClock } from "../support/fake_clock.ts";
import { linesOf, textOf } from "../support/log.ts";
import { test } from "../support/test.ts";

/** Adds a letter to the option `path` of each message. */
function letter(name: string): Middleware {
  return {
    prepareMessage: (_broker, message) =>
      message.copy({ options: { path: `${message.option("path") ?? ""}${name}` } }),
  };
}

/** Contents of the actor's queue, from the first one on. */
async function waiting(broker: Broker, count: number): Promise<Message[]> {
  await using consumer = broker.consume("default", { prefetch: count });
  const messages: Message[] = [];
  while (messages.length < count) {
    messages.push(...(await consumer.receive(count)).map(({ message }) => message));
  }
  return messages;
}

test("prepareMessage hooks run in the order of the list, each on what the one before gave", async () => {
  const broker = new StubBroker({ middleware: [letter("a"), { prepareMessage() {} } as never] });
  const last = letter("c");
  broker.addMiddleware(last);
  const x = actor(function x(_n: number) {}, { broker });
  const message = x.message(1);
  const sent = await broker.enqueue(message);
  assertEquals([sent.option("path"), message.option("path")], ["ac", undefined]);
  broker.removeMiddleware(last);
  await x.send(2);
  assertEquals((await waiting(broker, 2)).map((one) => one.option("path")), ["ac", "a"]);
});

test("prepareMessage is called for each message that a program sends, which has no cause", async () => {
  const seen: unknown[] = [];
  const broker = new StubBroker({
    middleware: [{
      prepareMessage(_broker, message, cause) {
        seen.push([message.queueName, message.args[0], message.option("eta"), cause]);
        return message.copy({ options: { tenant: "acme" } });
      },
    }, { beforeEnqueue: (_broker, message) => void seen.push(message.option("tenant")) }],
  });
  const x = actor((n: number) => n, { broker, actorName: "x" });
  const expected = (...values: number[]) => [
    ...values.map((value) => ["default", value, undefined, undefined]),
    ...values.map(() => "acme"),
  ];
  const deeds: [() => Promise<unknown>, unknown[]][] = [
    [() => x.send(1), expected(1)],
    [() => x.sendWithOptions({ args: [2], delay: 5_000 }), expected(2)],
    [() => x.sendMany([[3], [4]], { delay: 5_000 }), expected(3, 4)],
    [() => broker.enqueueMany([x.message(5), x.message(6)]), expected(5, 6)],
    [() => group([x.message(7), x.message(8)], { broker }).run(), expected(7, 8)],
    [() => pipeline([x.message(9), x.message()], { broker }).run({ delay: 5 }), expected(9)],
  ];
  for (const [send, expectation] of deeds) {
    seen.length = 0;
    await send();
    assertEquals(seen, expectation);
  }
});

test("prepareMessage may send a message to another queue, delayed too", async () => {
  const broker = new StubBroker({
    middleware: [{ prepareMessage: (_broker, message) => message.copy({ queueName: "other" }) }],
  });
  broker.declareQueue("other");
  const x = actor(function x() {}, { broker });
  assertEquals((await x.send()).queueName, "other");
  assertEquals((await x.sendWithOptions({ args: [], delay: 1_000 })).queueName, "other.DQ");
});

test("prepareMessage refuses a message with a MiddlewareError: nothing of the batch is stored", async () => {
  const later: unknown[] = [];
  const broker = new StubBroker({
    middleware: [{
      prepareMessage(_broker, message) {
        if (message.args[0] === 2) throw new MiddlewareError("not two");
        return undefined;
      },
    }, {
      prepareMessage(_broker, message) {
        later.push(message.args[0]);
        return undefined;
      },
    }],
  });
  const x = actor(function x(_n: number) {}, { broker });
  await assertRejects(() => x.send(2), MiddlewareError, "not two");
  await assertRejects(() => x.sendMany([[1], [2], [3]]), MiddlewareError, "not two");
  assertEquals(later, [1]);
  await broker.join("default", { timeout: 0 });
});

test("prepareMessage that throws another error is logged, and the others go on", async () => {
  class Broken implements Middleware {
    prepareMessage(): never {
      throw new RangeError("no such tenant");
    }
  }
  const broker = new StubBroker({ middleware: [letter("a"), new Broken(), letter("c")] });
  const x = actor(function x() {}, { broker });
  const lines = await linesOf({ category: ["dramatiq", "middleware"] }, async () => {
    assertEquals((await x.send()).option("path"), "ac");
  });
  assertEquals(lines.map(textOf), [
    "Broken failed in prepareMessage, which is ignored: no such tenant",
  ]);
});

class Odd implements Middleware {
  readonly #given: unknown;

  constructor(given: unknown) {
    this.#given = given;
  }

  prepareMessage(): Message {
    return this.#given as Message;
  }
}

const ODD: readonly [() => unknown, string][] = [
  [() => Promise.reject(new Error("late")), "returned a promise, and sending does not wait for it"],
  [() => ({ queue_name: "default" }), "returned Object, not a message"],
  [() => null, "returned null, not a message"],
  [() => false, "returned false, not a message"],
];

test("prepareMessage that gives a promise or no message is a TypeError to the sender", async () => {
  for (const [given, reason] of ODD) {
    const broker = new StubBroker({ middleware: [new Odd(given())] });
    const x = actor((_n: number) => {}, { broker, actorName: "x" });
    const text = `Cannot send x: prepareMessage of Odd ${reason}`;
    for (const send of [() => x.send(1), () => x.sendMany([[1]])]) {
      const error = await assertRejects(send, TypeError);
      assertEquals(error.message, text);
    }
    await broker.join("default", { timeout: 0 });
  }
});

test("prepareMessage that gives no message for a retry sends the failed one to the dead letters", async () => {
  const odd: Middleware = {
    prepareMessage: (_broker, message, cause) => cause === undefined ? message : null as never,
  };
  const broker = new StubBroker({ middleware: [odd, ...defaultMiddleware()], failFast: false });
  const x = actor(function x() {
    throw new Error("no");
  }, { broker, minBackoff: 1 });
  await using worker = new Worker(broker);
  await worker.start();
  await x.send();
  await broker.join("default");
  const tracebacks: string[] = [];
  for await (const { message } of broker.deadLetters("default")) {
    tracebacks.push(String(message.option("traceback")));
  }
  assertEquals(tracebacks.length, 1);
  assertStringIncludes(tracebacks[0]!, "Cannot send x: prepareMessage of Object returned null");
});

test("beforeEnqueue that changes a message, as in Python, is told of prepareMessage", async () => {
  const changes: ((message: Message) => void)[] = [
    (message) => void ((message.options as Record<string, unknown>)["tenant"] = "acme"),
    (message) => void ((message.options as Record<string, unknown>)["maxAge"] = 5),
    (message) => delete (message.options as Record<string, unknown>)["maxAge"],
    (message) => void ((message as { options: unknown }).options = {}),
  ];
  for (const hook of ["beforeEnqueue", "prepareMessage"] as const) {
    for (const change of changes) {
      const broker = new StubBroker({
        middleware: [{ actorOptions: ["maxAge"] }, {
          [hook]: (_broker: Broker, message: Message) => change(message),
        }],
      });
      const x = actor(function x() {}, { broker });
      const lines = await linesOf({ category: ["dramatiq", "middleware"] }, async () => {
        await x.sendWithOptions({ args: [], maxAge: 1_000 });
      });
      assertEquals(lines.map(({ level }) => level), ["error"], String(change));
      assertStringIncludes(
        textOf(lines[0]!),
        `Object failed in ${hook}, which is ignored; to change a message, return a copy from ` +
          "prepareMessage: ",
      );
    }
  }
});

test("beforeEnqueue that fails otherwise is not told of prepareMessage", async () => {
  const broker = new StubBroker({
    middleware: [{ beforeEnqueue: () => (undefined as unknown as { tenant(): void }).tenant() }],
  });
  const x = actor(function x() {}, { broker });
  const lines = await linesOf({ category: ["dramatiq", "middleware"] }, async () => {
    await x.send();
  });
  assertEquals(textOf(lines[0]!).includes("prepareMessage"), false);
});

test("prepareMessage is not called for a message that is due, nor for a requeued dead letter", async () => {
  const seen: unknown[] = [];
  const clock = new FakeClock();
  const broker = new StubBroker({
    clock,
    failFast: false,
    middleware: [{
      prepareMessage(_broker, message) {
        seen.push(message.args[0]);
        return message.copy({ options: { sent: seen.length } });
      },
    }, ...defaultMiddleware()],
  });
  const ran: unknown[] = [];
  const x = actor(function x(name: string) {
    ran.push(name);
    if (ran.length === 1) throw new Error("no");
  }, { broker, maxRetries: 0 });
  await using worker = new Worker(broker);
  await worker.start();
  await x.sendWithOptions({ args: ["late"], delay: 1_000 });
  await clock.advance(1_000);
  await broker.join("default");
  for await (const dead of broker.deadLetters("default")) await dead.requeue();
  await broker.join("default");
  assertEquals([seen, ran], [["late"], ["late", "late"]]);
});
