import { assert, assertEquals, assertStrictEquals, assertThrows } from "@std/assert";
import {
  actor,
  currentMessage,
  currentSignal,
  InlineExecutor,
  StubBroker,
  Worker,
} from "@dq/dramatiq";
import { test } from "../support/test.ts";
import { ready, wrapper } from "./executor_fixture.ts";

test("InlineExecutor refuses a concurrency that is not a whole number above 0", () => {
  for (const concurrency of [0, -1, 1.5, NaN, Infinity]) {
    assertThrows(() => new InlineExecutor({ concurrency }), RangeError, `${concurrency}`);
  }
  assertEquals(new InlineExecutor({ concurrency: 3 }).concurrency, 3);
  assertEquals(new InlineExecutor().concurrency, 8);
});

test("InlineExecutor.run tells the result at once of an actor that is not asynchronous", async () => {
  const { proxy, run } = await ready((a: number, b: number) => a + b);
  assertEquals(run(proxy([1, 2])), [{ result: 3 }]);
  const { run: runOther } = await ready(() => ({ then: "a field like any other" }));
  assertEquals(runOther(), [{ result: { then: "a field like any other" } }]);
});

test("InlineExecutor.run waits for promises, and for anything else that has a then", async () => {
  const thenable = {
    then: (resolve: (value: string) => void) => queueMicrotask(() => resolve("x")),
  };
  for (const fn of [() => Promise.resolve("x"), () => thenable]) {
    const { clock, run } = await ready(fn);
    const told = run();
    assertEquals(told, []);
    await clock.settle();
    assertEquals(told, [{ result: "x" }]);
    assertEquals(clock.pendingTimers, 0);
  }
});

test("InlineExecutor.run gives keyword arguments as one object, last, if there are any", async () => {
  const calls: unknown[][] = [];
  const { proxy, run } = await ready((...args: unknown[]) => void calls.push(args));
  run(proxy([1, 2], { size: 3, color: null }));
  run(proxy([], { size: 3 }));
  run(proxy([1, 2]));
  run(proxy());
  assertEquals(calls, [[1, 2, { size: 3, color: null }], [{ size: 3 }], [1, 2], []]);
});

test("InlineExecutor.run tells exactly what the actor threw", async () => {
  for (const thrown of [new Error("one"), "text", null, undefined, 0]) {
    const { run } = await ready(() => {
      throw thrown;
    });
    const [told] = run();
    assert("error" in told!);
    assertStrictEquals(told.error, thrown);
    const { clock, run: runAsync } = await ready(() => Promise.reject(thrown));
    const later = runAsync();
    await clock.settle();
    assert("error" in later[0]!);
    assertStrictEquals(later[0].error, thrown);
    assertEquals(later.length, 1);
  }
});

test("InlineExecutor has its actors fail whatever they throw, undefined included", async () => {
  const broker = new StubBroker({ failFast: false });
  const options = { broker, maxRetries: 0 };
  const throws = actor(function throws(n: number) {
    throw [undefined, null][n];
  }, options);
  const rejects = actor((n: number) => Promise.reject([undefined, null][n]), {
    ...options,
    actorName: "rejects",
  });
  for (const one of [throws, rejects]) await one.sendMany([[0], [1]]);
  await using worker = new Worker(broker);
  await worker.start();
  await broker.join("default");
  assertEquals(broker.allDeadLetters.length, 4);
  for (const message of broker.allDeadLetters) {
    assert(message.exception instanceof Error, `the exception is ${message.exception}`);
    assertEquals(typeof message.deadLetter.option("traceback"), "string");
  }
});

test("InlineExecutor.run lets the actor see its message and signal, also after a wait", async () => {
  const seen: unknown[] = [];
  const { clock, proxy, run } = await ready(async () => {
    seen.push(currentMessage(), currentSignal());
    await Promise.resolve();
    seen.push(currentMessage(), currentSignal());
  });
  const message = proxy();
  run(message);
  await clock.settle();
  const expected = [message.message, message.signal];
  for (const [i, one] of [...expected, ...expected].entries()) assertStrictEquals(seen[i], one);
  assertEquals(currentMessage(), undefined);
});

test("InlineExecutor.run calls wrapActor with the first of the list outermost", async () => {
  const events: string[] = [];
  const { broker, clock, run } = await ready(() => {
    events.push("actor");
    return "x";
  }, [wrapper("a", events), {}, wrapper("b", events)]);
  const told = run();
  await clock.settle();
  assertEquals(told, [{ result: "a(b(x))" }]);
  assertEquals(events, ["a in true", "b in true", "actor", "b out", "a out"]);
  broker.addMiddleware(wrapper("c", events));
  const again = run();
  await clock.settle();
  assertEquals(again, [{ result: "a(b(c(x)))" }]);
});

test("InlineExecutor.run has wrapActor see what the actor throws, and decide on it", async () => {
  const seen: unknown[] = [];
  const failure = new Error("boom");
  const { clock, run } = await ready(() => {
    throw failure;
  }, [{ wrapActor: (_message, next) => next().catch((error) => void seen.push(error)) }]);
  const told = run();
  await clock.settle();
  assertEquals(told, [{ result: undefined }]);
  assertStrictEquals(seen[0], failure);
  let ran = false;
  const other = await ready(() => ran = true, [{ wrapActor: () => Promise.resolve("instead") }]);
  const instead = other.run();
  await other.clock.settle();
  assertEquals([instead, ran], [[{ result: "instead" }], false]);
});

test("InlineExecutor.run wraps actors in middleware that was added after the first run", async () => {
  const { broker, run, clock } = await ready(() => "result");
  assertEquals(run(), [{ result: "result" }]);
  broker.addMiddleware(wrapper("late"));
  const told = run();
  await clock.settle();
  assertEquals(told, [{ result: "late(result)" }]);
});

test("InlineExecutor shows no message to what an actor left behind when it settled", async () => {
  for (const end of ["resolve", "reject"] as const) {
    const [settled, later] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
    let left: Promise<unknown> | undefined;
    const { run, clock } = await ready(() => {
      left = later.promise.then(() => currentMessage());
      return settled.promise;
    });
    const told = run();
    settled[end](undefined);
    await clock.settle();
    assertEquals(told.length, 1);
    later.resolve();
    assertEquals(await left, undefined, end);
  }
});

test("InlineExecutor tells the middleware when it starts and stops", async () => {
  const events: unknown[] = [];
  const broker = new StubBroker({
    middleware: [{
      afterWorkerThreadBoot: (_broker, executor) => void events.push("boot", executor),
      beforeWorkerThreadShutdown: (_broker, executor) => void events.push("shutdown", executor),
    }],
  });
  const executor = new InlineExecutor();
  await executor.stop(); // was never started
  assertEquals(events, []);
  await executor.start(broker);
  await executor.stop();
  assertEquals(events, ["boot", executor, "shutdown", executor]);
});
