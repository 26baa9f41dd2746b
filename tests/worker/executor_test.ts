import { assert, assertEquals, assertStrictEquals, assertThrows } from "@std/assert";
import {
  type Actor,
  actor,
  type ActorFunction,
  currentMessage,
  currentSignal,
  InlineExecutor,
  Job,
  type Kwargs,
  Message,
  MessageProxy,
  type Middleware,
  type Outcome,
  Shutdown,
  StubBroker,
  TimeLimitExceeded,
  Worker,
  WorkerLost,
} from "@dq/dramatiq";
import { Settlement } from "../../worker/settlement.ts";
import { FakeClock } from "../support/fake_clock.ts";
import { test } from "../support/test.ts";

/** An executor, and messages for a function of its own. */
async function ready(fn: ActorFunction, middleware: Middleware[] = []) {
  const clock = new FakeClock();
  const results: unknown[] = [];
  const probe: Middleware = {
    afterProcessMessage: (_broker, _message, { result }) => void results.push(result),
  };
  const broker = new StubBroker({ clock, middleware: [probe, ...middleware] });
  const executor = new InlineExecutor();
  await executor.start(broker);
  const made: Actor = actor(fn, { broker, actorName: "fn" });
  const proxy = (args: unknown[] = [], kwargs: Kwargs = {}) =>
    new MessageProxy(new Message({ queueName: "default", actorName: "fn", args, kwargs }));

  /** Has the executor run it, and lists what it tells of it. */
  const run = (message = proxy()) => {
    const told: { result?: unknown; error?: unknown }[] = [];
    executor.run({
      message,
      actor: made,
      succeed: (result) => void told.push({ result }),
      fail: (error) => void told.push({ error }),
    });
    return told;
  };

  /** Has a job run it, as a worker does, and lists its outcomes: one in the end. */
  const work = (message: MessageProxy) => {
    const outcomes: Outcome[] = [];
    const employer = {
      broker,
      executor,
      finished: (_job: Job, outcome: Outcome) => void outcomes.push(outcome),
    };
    const settlement = new Settlement(broker, broker.consume("default"), {
      roomMade() {},
      consumerFailed() {},
    });
    new Job(employer, message, made, settlement).start();
    return outcomes;
  };
  return { clock, broker, executor, results, proxy, run, work };
}

/** An actor that ends when the test lets it. */
function endless() {
  const end = Promise.withResolvers<unknown>();
  return { fn: () => end.promise, end };
}

const LATE = new TimeLimitExceeded("late");

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
  assertEquals(broker.deadLetters.length, 4);
  for (const message of broker.deadLetters) {
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

/** A middleware that writes down when it goes in and out. */
function wrapper(name: string, events: string[] = []): Middleware {
  return {
    async wrapActor(message, next) {
      events.push(`${name} in ${currentMessage() === message.message}`);
      try {
        return `${name}(${await next()})`;
      } finally {
        events.push(`${name} out`);
      }
    },
  };
}

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

test("InlineExecutor is not asked to run a message that is to stop before it began", async () => {
  let ran = false;
  const { proxy, work } = await ready(() => ran = true);
  const message = proxy();
  message.interrupt(new WorkerLost("gone"));
  assertEquals(work(message), ["lost"]);
  assert(!ran);
});

test("InlineExecutor gives an actor up when its grace is over, not before", async () => {
  const { fn, end } = endless();
  const { clock, proxy, work } = await ready(fn);
  const message = proxy();
  const outcomes = work(message);
  message.interrupt(LATE, { grace: 100 });
  assertStrictEquals(message.signal.reason, LATE);
  await clock.advance(99);
  assertEquals([outcomes, clock.pendingTimers], [[], 1]);
  await clock.advance(1);
  assertEquals([outcomes, clock.pendingTimers], [["done"], 0]); // nothing here would retry it
  assertStrictEquals(message.exception, LATE);
  end.resolve(undefined);
});

test("InlineExecutor takes the result of an actor that ends within its grace", async () => {
  const { clock, proxy, results, work } = await ready(() =>
    new Promise((resolve) => {
      currentSignal().addEventListener("abort", () => resolve("cleaned up"));
    })
  );
  const message = proxy();
  const outcomes = work(message);
  message.interrupt(LATE, { grace: 100 });
  await clock.settle();
  assertEquals([outcomes, results], [["done"], ["cleaned up"]]);
  assertEquals([message.exception, clock.pendingTimers], [undefined, 0]);
});

test("InlineExecutor gives an actor up at once without grace", async () => {
  const { fn, end } = endless();
  const { clock, proxy, work } = await ready(fn);
  const message = proxy();
  const outcomes = work(message);
  message.interrupt(LATE, { grace: 0 });
  assertStrictEquals(message.exception, LATE);
  assertEquals([outcomes, clock.pendingTimers], [["done"], 0]);
  end.resolve(undefined);
});

test("InlineExecutor waits for ever for an actor that is only told to stop", async () => {
  const { fn, end } = endless();
  const { clock, proxy, results, work } = await ready(fn);
  const message = proxy();
  const outcomes = work(message);
  message.interrupt(new Shutdown("the worker stops"));
  assertEquals(clock.pendingTimers, 0);
  await clock.advance(3_600_000);
  assertEquals(outcomes, []);
  end.resolve("in the end");
  await clock.settle();
  assertEquals([outcomes, results], [["done"], ["in the end"]]);
});

test("InlineExecutor lets a later interrupt shorten the grace", async () => {
  const { fn, end } = endless();
  const { clock, proxy, work } = await ready(fn);
  const message = proxy();
  const outcomes = work(message);
  message.interrupt(new Shutdown("the worker stops"));
  message.interrupt(LATE, { grace: 1_000 });
  message.interrupt(new WorkerLost("the worker did not wait any longer"), { grace: 10 });
  await clock.advance(10);
  assertEquals([outcomes, clock.pendingTimers], [["lost"], 0]);
  assert(message.signal.reason instanceof Shutdown); // the first one
  end.resolve(undefined);
});

test("InlineExecutor lets no later interrupt lengthen the grace", async () => {
  const { fn, end } = endless();
  const { clock, proxy, work } = await ready(fn);
  const message = proxy();
  const outcomes = work(message);
  message.interrupt(LATE, { grace: 10 });
  message.interrupt(new Shutdown("much later"), { grace: 1_000 });
  message.interrupt(new Shutdown("never"));
  await clock.advance(10);
  const atGrace = [...outcomes];
  await clock.advance(1_000);
  end.resolve(undefined);
  assertEquals(atGrace, ["done"]);
  assertStrictEquals(message.exception, LATE);
});

test("InlineExecutor ignores what becomes of an actor that it gave up", async () => {
  for (const [how, wrappers] of [["resolve", []], ["reject", [wrapper("a")]]] as const) {
    const { fn, end } = endless();
    const { clock, proxy, results, work } = await ready(fn, [...wrappers]);
    const message = proxy();
    const outcomes = work(message);
    message.interrupt(LATE, { grace: 0 });
    end[how](new Error("nobody listens any more")); // an unhandled rejection would fail the test
    await clock.settle();
    message.interrupt(LATE, { grace: 50 });
    assertEquals([outcomes, results, clock.pendingTimers], [["done"], [undefined], 0]);
  }
});

test("InlineExecutor forgets an actor that has ended: an interrupt comes too late", async () => {
  for (const fn of [() => Promise.resolve(1), () => 1]) {
    const { clock, proxy, results, work } = await ready(fn);
    const message = proxy();
    const outcomes = work(message);
    await clock.settle();
    message.interrupt(LATE, { grace: 50 });
    message.interrupt(LATE, { grace: 0 });
    assertEquals([outcomes, results, clock.pendingTimers], [["done"], [1], 0]);
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
