import { assertEquals, assertInstanceOf, assertRejects } from "@std/assert";
import { actor, AgeLimit, currentActor, defaultMiddleware, TimeLimitExceeded } from "@dq/dramatiq";
import { AssertionError, TestBroker } from "@dq/dramatiq/testing";
import { untilAborted } from "../support/aborted.ts";
import { outcomes, testWith } from "./fixture.ts";

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

testWith("TestBroker.drain skips delays, and advances the clock by them", async (kit) => {
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

testWith("TestBroker.advance fails if an actor sends to itself endlessly", async (kit) => {
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

testWith("TestBroker.drain leaves messages that are due after until", async (kit) => {
  const ran: number[] = [];
  const note = actor((n: number) => void ran.push(n), { broker: kit, actorName: "note" });
  for (const hours of [1, 2, 3]) await note.sendWithOptions({ args: [hours], delay: { hours } });
  await kit.drain({ until: kit.now + 2 * HOUR });
  assertEquals(ran, [1, 2]);
  await kit.drain();
  assertEquals(ran, [1, 2, 3]);
});

testWith(
  "TestBroker.advance advances the clock, and runs messages that become due",
  async (kit) => {
    const start = kit.now;
    const ran: number[] = [];
    const note = actor((n: number) => void ran.push(n), { broker: kit, actorName: "note" });
    for (const hours of [1, 2, 3]) await note.sendWithOptions({ args: [hours], delay: { hours } });
    await kit.advance({ minutes: 119 });
    assertEquals([ran, kit.now - start], [[1], 119 * MINUTE]);
    await kit.advance({ minutes: 1 });
    assertEquals(ran, [1, 2]);
    await assertRejects(() => kit.advance(-1), RangeError, "Cannot advance by -1 ms");
  },
);

testWith(
  "TestBroker starts its clock at the same time in each run, or at the given time",
  async (kit) => {
    await using other = new TestBroker({ now: "2026-03-29T00:00:00Z" });
    assertEquals(new Date(kit.now).toISOString(), "2025-01-01T00:00:00.000Z");
    assertEquals(new Date(other.now).toISOString(), "2026-03-29T00:00:00.000Z");
  },
);

testWith(
  "TestBroker fires schedules as time advances, whenever they were declared",
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

testWith("TestBroker gives messages timestamps of its clock, which AgeLimit uses", async (kit) => {
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
  "TestBroker waits for actors that wait for real events while time stands still",
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
  "TestBroker.advance passes the time limit of an actor that was running before",
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

testWith("TestBroker goes on while fake timers hold queueMicrotask back", async (kit) => {
  const add = actor((a: number, b: number) => a + b, {
    broker: kit,
    actorName: "add",
    storeResults: true,
  });
  const real = globalThis.queueMicrotask;
  globalThis.queueMicrotask = () => {}; // those of Jest wait until the test moves the time
  try {
    const message = await add.sendWithOptions({ args: [1, 2], delay: MINUTE });
    assertEquals(outcomes(await kit.drain()), ["done"]);
    assertEquals(await message.getResult(), 3);
  } finally {
    globalThis.queueMicrotask = real;
  }
});
