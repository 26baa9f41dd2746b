import { assert, assertEquals, assertRejects } from "@std/assert";
import {
  actor,
  ActorNotFound,
  currentActor,
  currentMessage,
  group,
  Message,
  type Middleware,
  pipeline,
  Retry,
  Snooze,
} from "@dq/dramatiq";
import { Control } from "@dq/dramatiq/control";
import { AssertionError, TestBroker } from "@dq/dramatiq/testing";
import { withoutLogTape } from "../support/log.ts";
import { test } from "../support/test.ts";
import { outcomes, testWith } from "./fixture.ts";

const HOUR = 3_600_000;

testWith("TestBroker runs nothing without a call", async (kit) => {
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
  "TestBroker.drain with raise false runs retries with their backoff",
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

testWith("TestBroker.drain fails if an actor sends to itself endlessly", async (kit) => {
  const ping = actor(async function ping(n: number): Promise<void> {
    await currentActor(ping).send(n + 1);
  }, { broker: kit });
  await ping.send(1);
  const error = await assertRejects(() => kit.drain({ maxRuns: 100 }), AssertionError);
  assert(error.message.includes("more than 100 messages have run"), error.message);
  assert(error.message.includes("ping 101 times"), error.message);
});

testWith("TestBroker names an actor that makes no progress", async (kit) => {
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

testWith("TestBroker.runActor returns the delay of a retry, which waits", async (kit) => {
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

testWith("TestBroker does not run messages of a paused queue", async (kit) => {
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

testWith("TestBroker in mode fake records messages, and stores and runs none", async (kit) => {
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

testWith("TestBroker.join runs waiting messages", async (kit) => {
  const ran: string[] = [];
  const note = actor((text: string) => void ran.push(text), { broker: kit, actorName: "note" });
  await note.sendWithOptions({ args: ["later"], delay: HOUR });
  await kit.join("default");
  assertEquals(ran, ["later"]);
});

testWith(
  "TestBroker.runActor runs a debounced message, even while another one waits",
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

testWith("TestBroker prints nothing of failures, which the test sees", async (kit) => {
  const printed: unknown[] = [];
  const { error } = console;
  console.error = (text: unknown) => void printed.push(text);
  try {
    const fail = actor(function fail() {
      throw new TypeError("a defect");
    }, { broker: kit, maxRetries: 0 });
    const give = actor(function give() {
      return "not stored";
    }, { broker: kit });
    await withoutLogTape(async () => {
      await fail.send();
      await give.send();
      assertEquals(outcomes(await kit.drain({ raise: false })), ["failed", "done"]);
    });
  } finally {
    console.error = error;
  }
  assertEquals(printed, []);
});
