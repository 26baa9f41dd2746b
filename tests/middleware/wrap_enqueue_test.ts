import { assertEquals, assertMatch, assertRejects, assertThrows } from "@std/assert";
import {
  actor,
  type Broker,
  defaultMiddleware,
  group,
  Message,
  type Middleware,
  MiddlewareError,
  pipeline,
  StubBroker,
  Worker,
} from "@dq/dramatiq";
import { FakeClock } from "../support/fake_clock.ts";
import { linesOf, textOf } from "../support/log.ts";
import { test } from "../support/test.ts";

/** Notes what passes through its hooks. */
function noting(seen: string[], name = ""): Middleware {
  const note = (what: string, messages: readonly Message[]) =>
    void seen.push(`${name}${what} ${messages.map(({ actorName }) => actorName)}`);
  return {
    async wrapEnqueue<T extends Message | readonly Message[]>(
      _broker: Broker,
      messages: readonly Message[],
      cause: Message | undefined,
      next: () => Promise<T>,
    ): Promise<T> {
      note(cause === undefined ? "wrap" : `wrap after ${cause.actorName}`, messages);
      try {
        const sent = await next();
        note("sent", sent instanceof Message ? [sent] : sent);
        return sent;
      } catch (error) {
        note(`refused: ${(error as Error).message}`, messages);
        throw error;
      }
    },
    prepareMessage(_broker, message) {
      note("prepare", [message]);
      return undefined;
    },
    beforeEnqueue: (_broker, message) => note("before", [message]),
    afterEnqueue: (_broker, message) => note("after", [message]),
  };
}

test("wrapEnqueue runs around a message, and once around a batch, the first of the list outermost", async () => {
  const seen: string[] = [];
  const broker = new StubBroker({ middleware: [noting(seen, "1 "), noting(seen, "2 ")] });
  const x = actor((_n: number) => {}, { broker, actorName: "x" });
  await x.send(1);
  const two = (what: string) => [`1 ${what}`, `2 ${what}`];
  const around = ["1 wrap x", "2 wrap x", ...two("prepare x"), ...two("before x")];
  assertEquals(seen.splice(0), [...around, "2 after x", "1 after x", "2 sent x", "1 sent x"]);
  await x.sendMany([[1], [2]]);
  const y = actor(() => {}, { broker, actorName: "y" });
  assertEquals(seen.filter((line) => /wrap|sent/.test(line)), [
    "1 wrap x,x",
    "2 wrap x,x",
    "2 sent x,x",
    "1 sent x,x",
  ]);
  seen.length = 0;
  await group([x.message(3), x.message(4)], { broker }).run();
  await pipeline([x.message(5), y.message()], { broker }).run();
  const wraps = seen.filter((line) => line.startsWith("1 wrap"));
  assertEquals(wraps, ["1 wrap x,x", "1 wrap x"]);
});

test("wrapEnqueue calls prepareMessage before its next has returned", async () => {
  let isSending = false;
  const seen: boolean[] = [];
  const broker = new StubBroker({
    middleware: [{
      wrapEnqueue(_broker, _messages, _cause, next) {
        isSending = true;
        try {
          return next();
        } finally {
          isSending = false;
        }
      },
      prepareMessage: () => void seen.push(isSending) as undefined,
    }],
  });
  const x = actor((_n: number) => {}, { broker, actorName: "x" });
  await x.send(1);
  await x.sendMany([[2], [3]]);
  await broker.enqueueMany([x.message(4)], { signal: new AbortController().signal });
  assertEquals(seen, [true, true, true, true]);
});

test("wrapEnqueue sees retries, steps and callbacks with their cause, and nothing that only moves", async () => {
  const seen: string[] = [];
  const clock = new FakeClock();
  const broker = new StubBroker({
    clock,
    failFast: false,
    middleware: [noting(seen), ...defaultMiddleware()],
  });
  let runs = 0;
  const x = actor(function x() {
    if (++runs % 2 === 1) throw new Error("no");
  }, { broker, maxRetries: 1, minBackoff: 1_000, maxBackoff: 1_000 });
  const done = actor(function done() {}, { broker });
  const dies = actor(function dies() {
    if (++runs < 10) throw new Error("no");
  }, { broker, maxRetries: 0 });
  await using worker = new Worker(broker);
  await worker.start();
  await pipeline([x.messageWithOptions({ onSuccess: done }), done.message()], { broker })
    .run({ delay: 500 });
  for (let i = 0; i < 6; i++) await clock.advance(500);
  await broker.join("default");
  const wraps = () => seen.splice(0).filter((line) => line.startsWith("wrap")).toSorted();
  assertEquals(wraps(), ["wrap after x done", "wrap after x done", "wrap after x x", "wrap x"]);
  await dies.send();
  await broker.join("default");
  runs = 10;
  for await (const dead of broker.deadLetters("default")) await dead.requeue();
  await broker.join("default");
  assertEquals(wraps(), ["wrap dies"]);
});

test("wrapEnqueue sees failures, and its own errors go to the sender", async () => {
  const seen: string[] = [];
  const refusing: Middleware = {
    beforeEnqueue(_broker, { args }) {
      if (args[0] === 2) throw new MiddlewareError("not two");
    },
  };
  const broker = new StubBroker({ middleware: [noting(seen), refusing] });
  const x = actor((_n: number) => {}, { broker, actorName: "x" });
  await assertRejects(() => x.send(2), MiddlewareError, "not two");
  await assertRejects(() => x.sendMany([[1], [2]]), MiddlewareError, "not two");
  const refused = seen.filter((line) => line.startsWith("refused"));
  assertEquals(refused, ["refused: not two x", "refused: not two x,x"]);
  broker.addMiddleware({
    wrapEnqueue: () => {
      throw new RangeError("no more");
    },
  });
  await assertRejects(() => x.send(1), RangeError, "no more");
  await assertRejects(() => x.sendMany([[1]]), RangeError, "no more");
  await broker.join("default", { timeout: 0 });
});

/** Middleware whose `wrapEnqueue` takes its contract lightly. */
class Odd implements Middleware {
  readonly #wrap: (next: () => Promise<unknown>) => unknown;

  constructor(wrap: (next: () => Promise<unknown>) => unknown) {
    this.#wrap = wrap;
  }

  wrapEnqueue<T extends Message | readonly Message[]>(
    _broker: Broker,
    _messages: readonly Message[],
    _cause: Message | undefined,
    next: () => Promise<T>,
  ): Promise<T> {
    return this.#wrap(next) as Promise<T>;
  }
}

/** Sends one message and a batch within a middleware, which is alone, the outermost or the innermost. */
async function sendWithin(
  wrap: (next: () => Promise<unknown>) => unknown,
  check: (send: () => Promise<Message | readonly Message[]>, stored: () => number) => Promise<void>,
): Promise<void> {
  const plain = new Odd((next) => next());
  const odd = new Odd(wrap);
  for (const middleware of [[odd], [odd, plain], [plain, odd]]) {
    let stored = 0;
    const counting: Middleware = { afterEnqueue: () => void stored++ };
    const broker = new StubBroker({ middleware: [...middleware, counting] });
    const x = actor((_n: number) => {}, { broker, actorName: "x" });
    await check(() => x.send(1), () => stored);
    stored = 0;
    await check(() => x.sendMany([[1]]), () => stored);
  }
}

test("wrapEnqueue that returns something else is logged, and the sender gets what was stored", async () => {
  const wraps: ((next: () => Promise<unknown>) => unknown)[] = [
    async (next) => void await next(),
    (next) => void next(),
    async (next) => {
      await next();
      return 5;
    },
    (next) => next().then(() => []),
  ];
  for (const wrap of wraps) {
    await sendWithin(wrap, async (send, stored) => {
      let sent: Message | readonly Message[] | undefined;
      const lines = await linesOf({ category: ["dramatiq", "middleware"] }, async () => {
        sent = await send();
      });
      assertEquals([[sent].flat().map((one) => one?.actorName), stored()], [["x"], 1]);
      assertEquals(lines.length, 1);
      assertMatch(textOf(lines[0]!), /^wrapEnqueue of "?Odd"? returned /);
    });
  }
});

test("wrapEnqueue that calls next twice, or not at all, is refused by name", async () => {
  const twice = /^Cannot send x: wrapEnqueue of Odd called next more than once$/;
  const never = /^Cannot send x: wrapEnqueue of Odd did not call next$/;
  const wraps: [(next: () => Promise<unknown>) => unknown, RegExp, number][] = [
    [async (next) => (await next(), await next()), twice, 1],
    [(next) => (next(), next()), twice, -1],
    [() => undefined, never, 0],
    [async () => await Promise.resolve(5), never, 0],
  ];
  for (const [wrap, message, count] of wraps) {
    await sendWithin(wrap, async (send, stored) => {
      assertMatch((await assertRejects(send, TypeError)).message, message);
      if (count >= 0) assertEquals(stored(), count);
    });
  }
});

test("wrapEnqueue that calls next after its end is refused, and nothing is stored", async () => {
  let late: () => Promise<unknown> = () => Promise.resolve();
  const wraps: ((next: () => Promise<unknown>) => unknown)[] = [
    (next) => void (late = next),
    (next) => {
      late = next;
      throw new TypeError("Cannot send x: no");
    },
  ];
  for (const wrap of wraps) {
    await sendWithin(wrap, async (send, stored) => {
      await assertRejects(send, TypeError, "Cannot send x");
      assertMatch(
        String(await new Promise((resolve) => resolve(late())).catch(String)),
        /called next after its end$/,
      );
      assertEquals(stored(), 0);
    });
  }
});

test("wrapEnqueue cannot make an error of sending disappear", async () => {
  const broker = new StubBroker({
    middleware: [new Odd((next) => next().catch(() => undefined)), {
      beforeEnqueue() {
        throw new MiddlewareError("not now");
      },
    }],
  });
  const x = actor(() => {}, { broker, actorName: "x" });
  await assertRejects(() => x.send(), MiddlewareError, "not now");
});

test("wrapEnqueue must be a function", () => {
  const middleware = { wrapEnqueue: 5 } as unknown as Middleware;
  assertThrows(() => new StubBroker({ middleware: [middleware] }), TypeError, "its wrapEnqueue");
});
