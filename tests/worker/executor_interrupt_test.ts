import { assert, assertEquals, assertStrictEquals } from "@std/assert";
import { currentSignal, Shutdown, WorkerLost } from "@dq/dramatiq";
import { test } from "../support/test.ts";
import { endless, LATE, ready, wrapper } from "./executor_fixture.ts";

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
