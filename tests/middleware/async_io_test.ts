import { assert, assertEquals, assertMatch, assertThrows } from "@std/assert";
import { actor, AsyncIO, type Clock, StubBroker, Worker } from "@dq/dramatiq";
import { FakeClock } from "../support/fake_clock.ts";
import { withLog } from "../support/log.ts";
import { test } from "../support/test.ts";

const LOG = { category: ["dramatiq", "middleware", "AsyncIO"], lowestLevel: "debug" } as const;

/** Keeps the event loop to itself, as a long computation does. */
function block(ms: number): void {
  const end = performance.now() + ms;
  while (performance.now() < end);
}

function setFixture(
  threshold: number,
  clock?: Clock,
  concurrency = 8,
): { broker: StubBroker; worker: Worker } {
  const middleware = [new AsyncIO({ threshold })];
  const broker = new StubBroker({ middleware, ...(clock && { clock }) });
  return { broker, worker: new Worker(broker, { concurrency }) };
}

// Reference: AsyncIO
test("AsyncIO logs an actor that blocks before its first await", () =>
  withLog(LOG, async (lines) => {
    const { broker, worker } = setFixture(20, new FakeClock());
    const compute = actor(function compute() {
      block(30);
    }, { broker });
    const { messageId } = await compute.send();
    await worker.start();
    await broker.join("default");
    await worker.stop();
    assertEquals(lines.length, 1);
    const { level, properties } = lines[0]!;
    assertEquals(level, "warning");
    assertEquals(properties["actors"], `compute (${messageId})`);
    assert(properties["milliseconds"] as number >= 30);
  }));

test("AsyncIO logs an actor that blocks after its first await", () =>
  withLog(LOG, async (lines, first) => {
    const { broker, worker } = setFixture(20);
    const compute = actor(async function compute() {
      await Promise.resolve();
      block(60);
      await first; // It runs until it has been noticed.
    }, { broker });
    await worker.start();
    await compute.send();
    await broker.join("default");
    await worker.stop();
    assertMatch(String(lines[0]!.properties["actors"]), /^compute \(/);
    assert(lines[0]!.properties["milliseconds"] as number >= 20);
  }));

test("AsyncIO names all actors that may have blocked later on", () =>
  withLog(LOG, async (lines, first) => {
    const clock = new FakeClock();
    const { broker, worker } = setFixture(20, clock);
    const wait = actor(async function wait() {
      await first;
    }, { broker });
    const compute = actor(async function compute() {
      await first;
    }, { broker });
    await wait.send();
    await compute.send();
    await worker.start();
    await clock.settle();
    block(60);
    await clock.advanceToNext();
    await broker.join("default");
    await worker.stop();
    assertMatch(String(lines[0]!.properties["actors"]), /^wait \(.*\), compute \(.*\)$/);
  }));

test("AsyncIO does not blame actors that have ended", () =>
  withLog(LOG, async (lines) => {
    const clock = new FakeClock();
    const { broker, worker } = setFixture(20, clock);
    const quick = actor(async function quick() {
      await Promise.resolve();
    }, { broker });
    await quick.send();
    await worker.start();
    await broker.join("default");
    block(60);
    await clock.advanceToNext();
    await worker.stop();
    assertEquals(lines, []);
  }));

test("AsyncIO keeps quiet below the threshold", () =>
  withLog(LOG, async (lines) => {
    const clock = new FakeClock();
    const { broker, worker } = setFixture(60_000, clock);
    const quick = actor(async function quick() {
      block(5);
      await Promise.resolve();
      return 7;
    }, { broker });
    await quick.send();
    await worker.start();
    await clock.advanceToNext();
    await broker.join("default");
    await worker.stop();
    assertEquals(lines, []);
  }));

test("AsyncIO leaves results and errors of the actor alone", async () => {
  const { broker, worker } = setFixture(60_000, new FakeClock(), 1);
  const results: unknown[] = [];
  broker.addMiddleware({
    afterProcessMessage: (_broker, _message, { result, exception }) => {
      results.push(exception ?? result);
    },
  });
  const nope = new Error("nope");
  const act = actor(function act(works: boolean) {
    if (!works) throw nope;
    return 7;
  }, { broker });
  await act.send(true);
  await act.send(false);
  await worker.start();
  await broker.join("default");
  await worker.stop();
  assertEquals(results, [7, nope]);
});

test("AsyncIO takes its timer back when the worker stops", async () => {
  const clock = new FakeClock();
  const { worker } = setFixture(100, clock);
  await worker.start();
  assertEquals(clock.pendingTimers, 1);
  await clock.advance(1_000);
  assertEquals(clock.pendingTimers, 1);
  await worker.stop();
  assertEquals(clock.pendingTimers, 0);
});

for (const threshold of [0, -1, NaN]) {
  test(`AsyncIO refuses a threshold of ${threshold}`, () => {
    assertThrows(() => new AsyncIO({ threshold }), RangeError, "threshold");
  });
}
