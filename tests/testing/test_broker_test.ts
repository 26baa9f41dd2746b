import { assert, assertEquals, assertInstanceOf, assertRejects } from "@std/assert";
import {
  actor,
  ActorNotFound,
  AgeLimit,
  currentActor,
  currentMessage,
  defaultMiddleware,
  group,
  Message,
  type Middleware,
  pipeline,
  Retry,
  Snooze,
  TimeLimitExceeded,
} from "@dq/dramatiq";
import { Control } from "@dq/dramatiq/control";
import { AssertionError, TestBroker, type TestBrokerOptions } from "@dq/dramatiq/testing";
import { untilAborted } from "../support/aborted.ts";
import { test } from "../support/test.ts";

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

/** Runs a test with a broker that is closed at its end. */
function testWith(
  name: string,
  body: (kit: TestBroker) => Promise<void>,
  options: TestBrokerOptions = {},
): void {
  test(name, async () => {
    await using kit = new TestBroker(options);
    await body(kit);
  });
}

const outcomes = (runs: readonly { outcome: string }[]) => runs.map(({ outcome }) => outcome);

testWith("TestBroker runs nothing before it is told to", async (kit) => {
  const ran: number[] = [];
  const note = actor((n: number) => void ran.push(n), { broker: kit, actorName: "note" });
  await note.send(1);
  await kit.drain();
  await note.send(2);
  for (let turn = 0; turn < 5; turn++) await new Promise((resolve) => setTimeout(resolve));
  assertEquals(ran, [1]);
  await kit.drain();
  assertEquals(ran, [1, 2]);
});

testWith("TestBroker.drain skips delays, and moves the time by them", async (kit) => {
  const start = kit.now;
  const ran: [string, number][] = [];
  const note = actor((name: string) => void ran.push([name, kit.now - start]), {
    broker: kit,
    actorName: "note",
  });
  await note.sendWithOptions({ args: ["week"], delay: { weeks: 1 } });
  await note.sendWithOptions({ args: ["hour"], delay: { hours: 1 } });
  await note.sendWithOptions({ args: ["none"], delay: 0 });
  await note.send("now");
  const runs = await kit.drain();
  assertEquals(ran, [["now", 0], ["none", 0], ["hour", HOUR], ["week", 7 * DAY]]);
  assertEquals(runs.map(({ endedAt }) => endedAt - start), [0, 0, HOUR, 7 * DAY]);
});

testWith(
  "TestBroker.drain throws the first error of an actor, and runs nothing else",
  async (kit) => {
    let ran = 0;
    const fails = actor(function fails() {
      throw new RangeError("it broke");
    }, { broker: kit });
    const other = actor(() => void ran++, { broker: kit, actorName: "other" });
    await fails.send();
    await other.send();
    await assertRejects(() => kit.drain(), RangeError, "it broke");
    assertEquals(ran, 0);
    await assertRejects(() => kit.drain(), RangeError, "it broke"); // its retry, after `other`
    assertEquals(ran, 1);
  },
);

testWith(
  "TestBroker.drain with raise false lets retries go on, with their backoff",
  async (kit) => {
    const fails = actor(function fails() {
      throw new Error("it broke");
    }, { broker: kit, maxRetries: 2, minBackoff: HOUR });
    await fails.send();
    const runs = await kit.drain({ raise: false });
    assertEquals(outcomes(runs), ["retried", "retried", "failed"]);
    assertEquals(runs.map(({ attempt }) => attempt), [1, 2, 3]);
    const [first, second] = runs.map(({ endedAt }) => endedAt);
    assert(second! - first! >= HOUR, `${second! - first!} ms`);
    assertEquals(second! - first!, runs[0]!.retryDelay);
    assertEquals(kit.allDeadLetters.length, 1);
  },
);

testWith("TestBroker.drain throws nothing for errors that an actor expects", async (kit) => {
  let calls = 0;
  const picky = actor(function picky() {
    calls += 1;
    if (calls === 1) throw new Snooze({ hours: 2 });
    if (calls === 2) throw new Retry("later", { delay: 1_000 });
    throw new RangeError("known");
  }, { broker: kit, throws: RangeError });
  await picky.send();
  assertEquals(outcomes(await kit.drain()), ["retried", "retried", "failed"]);
});

testWith("TestBroker.drain throws for a message whose actor is not declared", async (kit) => {
  kit.declareQueue("default");
  await kit.enqueue(new Message({ queueName: "default", actorName: "unknown", args: [] }));
  await assertRejects(() => kit.drain(), ActorNotFound, "unknown");
});

testWith("TestBroker.drain ends with an actor that sends to itself for ever", async (kit) => {
  const ping = actor(async function ping(n: number): Promise<void> {
    await currentActor(ping).send(n + 1);
  }, { broker: kit });
  await ping.send(1);
  const error = await assertRejects(() => kit.drain({ maxRuns: 100 }), AssertionError);
  assert(error.message.includes("more than 100 messages have run"), error.message);
  assert(error.message.includes("ping 101 times"), error.message);
});

testWith("TestBroker.advance ends with an actor that sends to itself for ever", async (kit) => {
  const later = actor(async function later(): Promise<void> {
    await currentActor(later).sendWithOptions({ args: [], delay: MINUTE });
  }, { broker: kit });
  await later.send();
  assertEquals((await kit.advance({ hours: 1 }, { maxRuns: 2 })).length, 61);
  const ping = actor(async function ping(): Promise<void> {
    await currentActor(ping).send();
  }, { broker: kit });
  await ping.send();
  await assertRejects(() => kit.advance(1, { maxRuns: 100 }), AssertionError, "more than 100");
});

testWith("TestBroker.drain leaves what is due after until", async (kit) => {
  const ran: number[] = [];
  const note = actor((n: number) => void ran.push(n), { broker: kit, actorName: "note" });
  for (const hours of [1, 2, 3]) await note.sendWithOptions({ args: [hours], delay: { hours } });
  await kit.drain({ until: kit.now + 2 * HOUR });
  assertEquals(ran, [1, 2]);
  await kit.drain();
  assertEquals(ran, [1, 2, 3]);
});

testWith("TestBroker.advance moves the time, and runs what is due by then", async (kit) => {
  const start = kit.now;
  const ran: number[] = [];
  const note = actor((n: number) => void ran.push(n), { broker: kit, actorName: "note" });
  for (const hours of [1, 2, 3]) await note.sendWithOptions({ args: [hours], delay: { hours } });
  await kit.advance({ minutes: 119 });
  assertEquals([ran, kit.now - start], [[1], 119 * MINUTE]);
  await kit.advance({ minutes: 1 });
  assertEquals(ran, [1, 2]);
  await assertRejects(() => kit.advance(-1), RangeError, "Cannot advance by -1 ms");
});

testWith(
  "TestBroker goes by a start that is the same in each run, or by the given one",
  async (kit) => {
    await using other = new TestBroker({ now: "2026-03-29T00:00:00Z" });
    assertEquals(new Date(kit.now).toISOString(), "2025-01-01T00:00:00.000Z");
    assertEquals(new Date(other.now).toISOString(), "2026-03-29T00:00:00.000Z");
  },
);

testWith(
  "TestBroker runs periodic actors as time moves, once declared at any time",
  async (kit) => {
    const ran: string[] = [];
    const note = (name: string) => () =>
      void ran.push(`${name} ${new Date(kit.now).toISOString()}`);
    actor(note("nightly"), { broker: kit, actorName: "nightly", cron: "0 3 * * *" });
    await kit.advance({ days: 2 });
    assertEquals(ran.splice(0), [
      "nightly 2025-01-01T03:00:00.000Z",
      "nightly 2025-01-02T03:00:00.000Z",
    ]);
    actor(note("often"), { broker: kit, actorName: "often", every: { minutes: 10 } });
    await kit.advance({ minutes: 30 });
    assertEquals(ran, [10, 20, 30].map((minute) => `often 2025-01-03T00:${minute}:00.000Z`));
    assertEquals(kit.enqueued("nightly").length, 2);
  },
);

testWith("TestBroker.drain does not wait for the next tick of periodic actors", async (kit) => {
  const tick = actor(() => {}, { broker: kit, actorName: "tick", every: { minutes: 1 } });
  await tick.sendWithOptions({ delay: { seconds: 150 } });
  assertEquals((await kit.drain()).length, 3);
});

testWith("TestBroker runs the last of debounced messages, once no more come", async (kit) => {
  const ran: string[] = [];
  const index = actor((text: string) => void ran.push(text), {
    broker: kit,
    actorName: "index",
    debounce: { by: () => "one", wait: { seconds: 10 } },
  });
  for (const text of ["a", "b", "c"]) {
    await index.send(text);
    await kit.advance({ seconds: 5 });
  }
  assertEquals(ran, []);
  await kit.advance({ seconds: 5 });
  assertEquals(ran, ["c"]);
});

testWith("TestBroker gives messages the time of the test, by which AgeLimit goes", async (kit) => {
  const ran: string[] = [];
  const note = actor((name: string) => void ran.push(name), {
    broker: kit,
    actorName: "note",
    maxAge: HOUR,
  });
  await kit.advance({ days: 30 });
  await note.send("young");
  await note.sendWithOptions({ args: ["old"], delay: 2 * HOUR });
  assertEquals(outcomes(await kit.drain()), ["done", "skippedAndFailed"]);
  assertEquals(ran, ["young"]);
}, { middleware: [...defaultMiddleware(), new AgeLimit()].slice(1) });

testWith(
  "TestBroker waits for actors that wait for something real, and time stands still",
  async (kit) => {
    const start = kit.now;
    const slow = actor(async function slow() {
      await new Promise((resolve) => setTimeout(resolve, 20));
      return kit.now - start;
    }, { broker: kit, timeLimit: 5 });
    const late = actor(() => {}, { broker: kit, actorName: "late" });
    await late.sendWithOptions({ delay: HOUR });
    await slow.send();
    const [run] = await kit.drain();
    assertEquals(run!.result, 0);
  },
);

testWith("TestBroker names an actor that waits for too long", async (kit) => {
  const hangs = actor((_name: string) => new Promise<void>(() => {}), {
    broker: kit,
    actorName: "hangs",
  });
  await hangs.send("Ada");
  const error = await assertRejects(() => kit.drain({ timeout: 20 }), AssertionError);
  assert(error.message.startsWith('Cannot drain: hangs("Ada") has not ended'), error.message);
  const once = hangs.message("Bob");
  await assertRejects(() => kit.runActor(once, { timeout: 20 }), AssertionError, "Bob");
}, { concurrency: 2 });

testWith(
  "TestBroker skips to the time limit of an actor that waits for its signal",
  async (kit) => {
    const slow = actor(() => untilAborted(), { broker: kit, actorName: "slow", maxRetries: 0 });
    await slow.send();
    const runs = await kit.drain({ skipWhileRunning: true, raise: false });
    assertInstanceOf(runs[0]!.error, TimeLimitExceeded);
    const run = await kit.runActor(slow.message(), { skipWhileRunning: true });
    assertInstanceOf(run.error, TimeLimitExceeded);
  },
);

testWith(
  "TestBroker.advance goes past the limit of an actor that was running before",
  async (kit) => {
    const slow = actor(() => untilAborted(), { broker: kit, actorName: "slow", timeLimit: MINUTE });
    const running = kit.runActor(slow);
    await kit.advance({ seconds: 59 });
    await kit.advance({ seconds: 1 });
    const run = await running;
    assertInstanceOf(run.error, TimeLimitExceeded);
    assertEquals(run.outcome, "retried");
  },
);

testWith("TestBroker.runActor runs one message through all middleware", async (kit) => {
  const seen: unknown[] = [];
  class Wrapping implements Middleware {
    async wrapActor(_message: unknown, next: () => Promise<unknown>): Promise<unknown> {
      seen.push("wrapped");
      return await next();
    }
  }
  kit.addMiddleware(new Wrapping());
  const add = actor((a: number, b: number) => {
    seen.push(currentMessage()?.actorName);
    return a + b;
  }, { broker: kit, actorName: "add", storeResults: true });
  await add.send(10, 20);
  const run = await kit.runActor(add, 1, 2);
  assertEquals([run.result, run.outcome, run.error], [3, "done", undefined]);
  assertEquals(await run.message.getResult(), 3);
  assertEquals(seen, ["wrapped", "add"]);
  assertEquals((await kit.drain()).map(({ result }) => result), [30]);
});

testWith("TestBroker.runActor tells of the retry, which waits", async (kit) => {
  let calls = 0;
  const flaky = actor(() => {
    if (++calls === 1) throw new RangeError("not yet");
    return calls;
  }, { broker: kit, actorName: "flaky", minBackoff: HOUR, maxBackoff: HOUR });
  const run = await kit.runActor(flaky);
  assertEquals([run.outcome, run.retryDelay], ["retried", HOUR]);
  const error = await assertRejects(() => Promise.resolve().then(() => run.result), RangeError);
  assertEquals(error, run.error);
  const runs = await kit.advance({ hours: 1 });
  assertEquals(runs.map(({ result, attempt }) => [result, attempt]), [[2, 2]]);
});

testWith("TestBroker.runActor refuses actors of other brokers", async (kit) => {
  await using other = new TestBroker();
  const stray = actor(() => {}, { broker: other, actorName: "stray" });
  await assertRejects(() => kit.runActor(stray), TypeError, 'Cannot run actor "stray"');
});

testWith("TestBroker runs pipelines, and groups with their callbacks", async (kit) => {
  const seen: unknown[] = [];
  const add = actor((a: number, b: number) => a + b, {
    broker: kit,
    actorName: "add",
    storeResults: true,
  });
  const note = actor((text: string) => void seen.push(text), { broker: kit, actorName: "note" });
  const sum = pipeline([add.message(1, 2), add.message(3)], { broker: kit });
  await sum.run();
  const both = group([add.message(1, 1), add.message(2, 2)], { broker: kit });
  both.addCompletionCallback(note.message("both"));
  await both.run();
  await kit.drain();
  assertEquals(await sum.getResult(), 6);
  assertEquals(seen, ["both"]);
});

testWith("TestBroker leaves messages of a paused queue where they are", async (kit) => {
  const note = actor(() => {}, { broker: kit, actorName: "note" });
  await new Control(kit).pause({ queue: "default" });
  await note.send();
  assertEquals(await kit.drain(), []);
  await new Control(kit).resume({ queue: "default" });
  assertEquals(outcomes(await kit.drain()), ["done"]);
});

testWith("TestBroker in mode inline runs messages before send ends", async (kit) => {
  const ran: string[] = [];
  const second = actor(() => void ran.push("second"), { broker: kit, actorName: "second" });
  const first = actor(async () => {
    await second.sendWithOptions({ delay: HOUR });
    ran.push("first");
  }, { broker: kit, actorName: "first" });
  const fails = actor(() => {
    throw new RangeError("it broke");
  }, { broker: kit, actorName: "fails" });
  await first.send();
  assertEquals(ran, ["first", "second"]);
  await first.sendMany([[], []]);
  assertEquals(ran.length, 6);
  await assertRejects(() => fails.send(), RangeError, "it broke");
}, { mode: "inline" });

testWith("TestBroker in mode fake notes messages, and stores and runs none", async (kit) => {
  const note = actor((_n: number) => {}, { broker: kit, actorName: "note" });
  await note.send(1);
  await note.sendMany([[2], [3]]);
  assertEquals(await kit.drain(), []);
  assertEquals(kit.enqueued(note).map(({ args }) => args), [[1], [2], [3]]);
  assertEquals((await kit.inspect().overview()).queues[0]!.ready, 0);
  await assertRejects(() => note.send(1n as unknown as number), TypeError, "note");
}, { mode: "fake" });

test("TestBroker.close ends actors that hang, and leaves no timer", async () => {
  const kit = new TestBroker();
  const hangs = actor(() => new Promise<void>(() => {}), { broker: kit, actorName: "hangs" });
  await hangs.send();
  await assertRejects(() => kit.drain({ timeout: 1 }), AssertionError);
  await kit.close();
  assertEquals(kit.clock.pendingTimers, 0);
});

testWith("TestBroker.join runs what waits, as nothing else would", async (kit) => {
  const ran: string[] = [];
  const note = actor((text: string) => void ran.push(text), { broker: kit, actorName: "note" });
  await note.sendWithOptions({ args: ["later"], delay: HOUR });
  await kit.join("default");
  assertEquals(ran, ["later"]);
});

testWith(
  "TestBroker.runActor runs a debounced message, and one whose like is waiting",
  async (kit) => {
    const index = actor((text: string) => text, {
      broker: kit,
      actorName: "index",
      debounce: { by: () => "one", wait: { seconds: 10 } },
    });
    assertEquals((await kit.runActor(index, "a")).result, "a");
    await index.send("b");
    assertEquals((await kit.runActor(index, "c")).result, "c");
    assertEquals((await kit.drain()).map(({ result }) => result), ["b"]);
  },
);

testWith("TestBroker needs no timer of the runtime that a test may have replaced", async (kit) => {
  const note = actor(() => "done", { broker: kit, actorName: "note", every: { minutes: 1 } });
  const { setTimeout, setImmediate } = globalThis as Record<string, unknown>;
  Object.assign(globalThis, { setTimeout: () => 0, setImmediate: () => 0 });
  try {
    await note.sendWithOptions({ delay: HOUR });
    assertEquals((await kit.advance({ hours: 1 })).length, 61);
    assertEquals((await kit.runActor(note)).result, "done");
  } finally {
    Object.assign(globalThis, { setTimeout, setImmediate });
  }
});
