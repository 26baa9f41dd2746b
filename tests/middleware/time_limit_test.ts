import { assert, assertEquals, assertInstanceOf, assertThrows } from "@std/assert";
import {
  actor,
  currentSignal,
  Message,
  MessageProxy,
  Retries,
  TimeLimit,
  TimeLimitExceeded,
  Worker,
} from "@dq/dramatiq";
import { untilAborted } from "../support/aborted.ts";
import { test } from "../support/test.ts";
import { endings, setFixture } from "./time_limit_fixture.ts";

// Reference: TimeLimitExceeded
test("TimeLimit aborts the signal of the actor at the limit", async () => {
  await using fixture = setFixture({ timeLimit: 1_000 });
  const { broker, clock } = fixture;
  const reasons: unknown[] = [];
  const slow = actor(async function slow() {
    await untilAborted().catch((reason) => reasons.push(reason));
  }, { broker });
  await fixture.worker.start();
  await slow.send();
  await clock.advance(999);
  assertEquals(reasons, []);
  await clock.advance(1);
  assertEquals(reasons.length, 1);
  assertInstanceOf(reasons[0], TimeLimitExceeded);
});

for (const jump of [3_600_000, -3_600_000]) {
  test(`TimeLimit counts the time that passes, though the clock is set by ${jump} ms`, async () => {
    await using fixture = setFixture();
    const { broker, clock } = fixture;
    const stopped: string[] = [];
    const slow = actor(async function slow(name: string) {
      await untilAborted().catch(() => stopped.push(name));
    }, { broker });
    await fixture.worker.start();
    await slow.send("first");
    await clock.advance(900);
    await slow.send("second");
    await clock.settle();
    clock.jump(jump);
    await clock.advance(100);
    assertEquals(stopped, ["first"]);
    await clock.advance(900);
    assertEquals(stopped, ["first", "second"]);
  });
}

// Reference: TimeLimit
test("TimeLimit fails a message whose actor lets the interrupt through", async () => {
  await using fixture = setFixture();
  const { broker, clock } = fixture;
  const retries = new Retries({ maxRetries: 0 });
  broker.addMiddleware(retries);
  const slow = actor(async function slow() {
    await untilAborted();
  }, { broker });
  await fixture.worker.start();
  await slow.send();
  await clock.advance(1_000);
  assertEquals(endings(fixture), ["nack"]);
  assertInstanceOf(broker.allDeadLetters[0]!.exception, TimeLimitExceeded);
});

test("TimeLimit leaves the outcome to an actor that settles within the grace", async () => {
  await using fixture = setFixture({ timeLimit: 1_000, grace: 500 }, [new Retries()]);
  const { broker, clock } = fixture;
  const slow = actor(async function slow() {
    await untilAborted().catch(() => {});
    await new Promise<void>((resolve) => clock.setTimer(resolve, 499));
  }, { broker });
  await fixture.worker.start();
  await slow.send();
  await clock.advance(1_498);
  assertEquals(endings(fixture), []);
  await clock.advance(1);
  assertEquals(endings(fixture), ["ack"]);
  assertEquals(fixture.journal.events.length, 2, "it is not retried");
});

test("TimeLimit gives an actor up after the grace, to be retried", async () => {
  const retries = new Retries({ minBackoff: 10_000, maxRetries: 1 });
  await using fixture = setFixture({ timeLimit: 1_000, grace: 500 }, [retries]);
  const { broker, clock, journal } = fixture;
  let runs = 0;
  const stuck = actor(function stuck() {
    runs += 1;
    return runs === 1 ? new Promise<void>(() => {}) : undefined;
  }, { broker });
  await fixture.worker.start();
  await stuck.send();
  await clock.advance(1_499);
  assertEquals(journal.events.length, 1);
  await clock.advance(1);
  assertEquals(journal.events.map(({ event, queue_name }) => `${event} ${queue_name}`), [
    "enqueue default",
    "enqueue default.DQ",
    "ack default",
  ]);
  await clock.waitFor(broker.join("default"));
  assertEquals(runs, 2);
  assertEquals(broker.allDeadLetters, []);
});

test("TimeLimit gives an actor up at once without grace", async () => {
  await using fixture = setFixture({ timeLimit: 1_000, grace: 0 }, [
    new Retries({ maxRetries: 0 }),
  ]);
  const stuck = actor(() => new Promise<void>(() => {}), {
    broker: fixture.broker,
    actorName: "stuck",
  });
  await fixture.worker.start();
  await stuck.send();
  await fixture.clock.advance(1_000);
  assertEquals(endings(fixture), ["nack"]);
});

test("TimeLimit does not prolong a grace when another message reaches its limit", async () => {
  await using fixture = setFixture({ grace: 500 }, [new Retries({ maxRetries: 0 })]);
  const { broker, clock } = fixture;
  const stuck = actor(() => new Promise<void>(() => {}), { broker, actorName: "stuck" });
  await fixture.worker.start();
  await stuck.sendWithOptions({ timeLimit: 1_000 });
  await stuck.sendWithOptions({ timeLimit: 1_400 });
  await clock.advance(1_500);
  assertEquals(endings(fixture), ["nack"]);
  await clock.advance(400);
  assertEquals(endings(fixture), ["nack", "nack"]);
});

test("TimeLimit needs one timer for many messages", async () => {
  await using fixture = setFixture({ timeLimit: 1_000 });
  const { broker, clock } = fixture;
  const gate = Promise.withResolvers<void>();
  let running = 0;
  const waiting = actor(async function waiting() {
    running += 1;
    await gate.promise;
  }, { broker });
  await fixture.worker.start();
  await waiting.sendMany(Array.from({ length: 16 }, () => []));
  await clock.settle();
  assertEquals(running, 16);
  assertEquals(clock.pendingTimers, 1);
  gate.resolve();
  await clock.settle();
  assertEquals(endings(fixture), Array(16).fill("ack"));
  assert(clock.pendingTimers <= 1);
});

test("TimeLimit interrupts each message at its own limit", async () => {
  await using fixture = setFixture({ timeLimit: 3_000 });
  const { broker, clock } = fixture;
  const aborted: [string, number][] = [];
  const start = clock.now();
  const slow = actor(async function slow(name: string) {
    await untilAborted().catch(() => aborted.push([name, clock.now() - start]));
  }, { broker, timeLimit: 2_000 });
  const other = actor(async function other() {
    await untilAborted().catch(() => aborted.push(["middleware", clock.now() - start]));
  }, { broker });
  await fixture.worker.start();
  await slow.sendWithOptions({ args: ["actor"] });
  await slow.sendWithOptions({ args: ["message"], timeLimit: 1_000 });
  await slow.sendWithOptions({ args: ["unset"], timeLimit: null });
  await other.send();
  await clock.advance(5_000);
  assertEquals(aborted, [
    ["message", 1_000],
    ["actor", 2_000],
    ["unset", 2_000],
    ["middleware", 3_000],
  ]);
});

test("TimeLimit lets an actor be that ends in time", async () => {
  await using fixture = setFixture({ timeLimit: 1_000 });
  const { broker, clock } = fixture;
  let signal: AbortSignal | undefined;
  const quick = actor(async function quick() {
    signal = currentSignal();
    await new Promise<void>((resolve) => clock.setTimer(resolve, 999));
  }, { broker });
  await fixture.worker.start();
  await quick.send();
  await clock.advance(60_000);
  assertEquals(endings(fixture), ["ack"]);
  assertEquals(signal!.aborted, false);
  assertEquals(clock.pendingTimers, 0);
});

test("TimeLimit takes its timer back when the worker has stopped", async () => {
  const { broker, clock, worker } = setFixture({ timeLimit: 1_000 });
  const quick = actor(function quick() {}, { broker });
  await worker.start();
  await quick.send();
  await clock.settle();
  assertEquals(clock.pendingTimers, 1);
  await worker.stop();
  assertEquals(clock.pendingTimers, 0);
});

test("TimeLimit sets no timer in a program without a worker, which may purge messages", async () => {
  const { broker, clock, worker } = setFixture({ timeLimit: 1_000 });
  const message = new Message({ queueName: "default", actorName: "none", args: [] });
  await broker.emit("beforeProcessMessage", new MessageProxy(message));
  assertEquals(clock.pendingTimers, 0);
  await worker.start();
  await worker.stop();
  await broker.emit("beforeProcessMessage", new MessageProxy(message));
  assertEquals(clock.pendingTimers, 0);
});

test("TimeLimit sets a timer again for a second worker", async () => {
  const { broker, clock, worker } = setFixture({ timeLimit: 1_000 });
  let aborted = false;
  const slow = actor(async function slow(wait: boolean) {
    if (wait) await untilAborted().catch(() => aborted = true);
  }, { broker });
  await worker.start();
  await slow.send(false);
  await clock.settle();
  await worker.stop();
  await using second = new Worker(broker);
  await second.start();
  await slow.send(true);
  await clock.advance(1_000);
  assertEquals(aborted, true);
});

test("TimeLimit keeps its timer for one worker when another one stops", async () => {
  await using fixture = setFixture({ timeLimit: 1_000 });
  const { broker, clock } = fixture;
  let aborted = false;
  const slow = actor(async function slow() {
    await untilAborted().catch(() => aborted = true);
  }, { broker });
  await fixture.worker.start();
  await slow.send();
  await clock.settle();
  const other = new Worker(broker);
  await other.start();
  await other.stop();
  await clock.advance(1_000);
  assertEquals(aborted, true);
});

test("TimeLimit counts anew for a message that begins anew in another realm", async () => {
  await using fixture = setFixture({ timeLimit: 1_000, grace: Infinity });
  const { broker, clock, worker } = fixture;
  const gate = Promise.withResolvers<void>();
  const stuck = actor(() => gate.promise, { broker, actorName: "stuck" });
  await worker.start();
  await stuck.send();
  await clock.advance(1_000);
  const [message] = worker.running;
  assertInstanceOf(message?.interruptReason, TimeLimitExceeded);
  message.renew(clock.now()); // as an executor does that starts it again
  await clock.advance(999);
  assertEquals(message.interruptReason, undefined);
  await clock.advance(1);
  assertInstanceOf(message.interruptReason, TimeLimitExceeded);
  gate.resolve();
});

test("TimeLimit of Infinity sets no timer", async () => {
  await using fixture = setFixture({ timeLimit: Infinity });
  const { broker, clock } = fixture;
  const gate = Promise.withResolvers<void>();
  const waiting = actor(() => gate.promise, { broker, actorName: "waiting" });
  await fixture.worker.start();
  await waiting.send();
  await clock.settle();
  assertEquals(clock.pendingTimers, 0);
  gate.resolve();
  await clock.waitFor(broker.join("default"));
});

test("TimeLimit of Infinity on an actor lifts the limit", async () => {
  await using fixture = setFixture({ timeLimit: 1_000 });
  const { broker, clock } = fixture;
  const gate = Promise.withResolvers<void>();
  const waiting = actor(() => gate.promise, {
    broker,
    actorName: "waiting",
    timeLimit: Infinity,
  });
  await fixture.worker.start();
  await waiting.send();
  await clock.settle();
  assertEquals(clock.pendingTimers, 0);
  gate.resolve();
  await clock.waitFor(broker.join("default"));
});

for (const timeLimit of [0, -1, NaN]) {
  test(`TimeLimit refuses a timeLimit of ${timeLimit}`, () => {
    assertThrows(() => new TimeLimit({ timeLimit }), RangeError, "Cannot limit time");
  });
}

for (const grace of [-1, NaN]) {
  test(`TimeLimit refuses a grace of ${grace}`, () => {
    assertThrows(() => new TimeLimit({ grace }), RangeError, "grace");
  });
}
