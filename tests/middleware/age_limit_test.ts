import { assertEquals, assertRejects, assertThrows } from "@std/assert";
import {
  actor,
  type ActorOptions,
  AgeLimit,
  type MessageOptions,
  Retries,
  SkipMessage,
  StubBroker,
  Worker,
} from "@dq/dramatiq";

import type { AgeLimitOptions } from "@dq/dramatiq/middleware";
import { FakeClock } from "../support/fake_clock.ts";
import { Recorder } from "../support/recorder.ts";
import { test } from "../support/test.ts";

interface Given {
  readonly age: number;
  readonly limit?: AgeLimitOptions;
  readonly actor?: ActorOptions;
  readonly message?: MessageOptions;
}

/** Runs one message of an age; gives whether the actor ran, and the dead letters. */
async function run(given: Given): Promise<{ ran: boolean; deadLetters: number; hooks: unknown[] }> {
  const clock = new FakeClock();
  const recorder = new Recorder();
  const middleware = [recorder, new AgeLimit(given.limit)];
  const broker = new StubBroker({ clock, failFast: false, middleware });
  let ran = false;
  const aged = actor(function aged() {
    ran = true;
  }, { broker, ...given.actor });
  const message = aged.messageWithOptions({ ...given.message });
  await broker.enqueue(message.copy({ messageTimestamp: clock.now() - given.age }));
  await using worker = new Worker(broker);
  await worker.start();
  await clock.waitFor(broker.join("default"));
  await worker.join();
  const hooks = recorder.events.map(({ hook }) => hook);
  return { ran, deadLetters: broker.allDeadLetters.length, hooks };
}

const RUNS = { ran: true, deadLetters: 0 };
const DIES = { ran: false, deadLetters: 1 };

async function assertBecomes(given: Given, expected: typeof RUNS): Promise<void> {
  const { ran, deadLetters } = await run(given);
  assertEquals({ ran, deadLetters }, expected);
}

// Reference: AgeLimit
test("AgeLimit rejects a message older than maxAge", async () => {
  await assertBecomes({ age: 1_001, limit: { maxAge: 1_000 } }, DIES);
});

test("AgeLimit rejects a message that has just reached maxAge", async () => {
  await assertBecomes({ age: 1_000, limit: { maxAge: 1_000 } }, DIES);
});

test("AgeLimit lets a younger message pass", async () => {
  await assertBecomes({ age: 999, limit: { maxAge: 1_000 } }, RUNS);
});

test("AgeLimit has no limit by default", async () => {
  await assertBecomes({ age: 10 ** 11 }, RUNS);
});

test("AgeLimit prefers the limit of the actor to its own", async () => {
  await assertBecomes({ age: 500, limit: { maxAge: 1_000 }, actor: { maxAge: 100 } }, DIES);
  await assertBecomes({ age: 500, limit: { maxAge: 100 }, actor: { maxAge: 1_000 } }, RUNS);
});

test("AgeLimit prefers the limit of the message to that of the actor", async () => {
  await assertBecomes({ age: 500, actor: { maxAge: 1_000 }, message: { maxAge: 100 } }, DIES);
  await assertBecomes({ age: 500, actor: { maxAge: 100 }, message: { maxAge: 1_000 } }, RUNS);
});

test("AgeLimit takes null on a message as unset", async () => {
  await assertBecomes({ age: 500, actor: { maxAge: 100 }, message: { maxAge: null } }, DIES);
});

test("AgeLimit takes 0 on a message as a limit", async () => {
  await assertBecomes({ age: 1, message: { maxAge: 0 } }, DIES);
});

test("AgeLimit has the message skipped, then dead-lettered", async () => {
  const { hooks } = await run({ age: 2, limit: { maxAge: 1 } });
  const ofMessage = hooks.filter((hook) => /process|skip|nack|before_ack/.test(String(hook)));
  assertEquals(ofMessage, [
    "before_process_message",
    "after_skip_message",
    "before_nack",
    "after_nack",
  ]);
});

test("AgeLimit leaves its reason on the dead letter, and StubBroker.join throws it", async () => {
  const broker = new StubBroker();
  const aged = actor(function aged() {}, { broker, maxAge: 1_000 });
  const old = aged.message().copy({ messageTimestamp: Date.now() - 5_000 });
  await broker.enqueue(old);
  await using worker = new Worker(broker);
  await worker.start();
  const reason = `Message ${old.messageId} is past its age limit of 1000 ms`;
  await assertRejects(() => broker.join("default"), SkipMessage, reason);
  const [dead] = broker.allDeadLetters;
  assertEquals(dead!.deadLetter.options.traceback?.split("\n")[0], `SkipMessage: ${reason}`);
});

test("AgeLimit counts the age of a retry from the first enqueue", async () => {
  const clock = new FakeClock();
  const middleware = [new AgeLimit(), new Retries({ minBackoff: 1_000, maxBackoff: 2_000 })];
  const broker = new StubBroker({ clock, failFast: false, middleware });
  let runs = 0;
  const failing = actor(function failing() {
    runs += 1;
    throw new Error("nope");
  }, { broker, maxAge: 10_000 });
  await broker.enqueue(failing.message().copy({ messageTimestamp: clock.now() }));
  await using worker = new Worker(broker);
  await worker.start();
  await clock.waitFor(broker.join("default"));
  // One run every one or two seconds, and none after the tenth.
  assertEquals(runs >= 5 && runs <= 11, true, `${runs} runs`);
  assertEquals(broker.allDeadLetters.length, 1);
});

for (const maxAge of [0, -1, NaN]) {
  test(`AgeLimit refuses a maxAge of ${maxAge}`, () => {
    assertThrows(() => new AgeLimit({ maxAge }), RangeError, "Cannot limit age");
  });
}
