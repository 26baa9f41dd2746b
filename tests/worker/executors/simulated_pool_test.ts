import { assert, assertEquals, assertInstanceOf } from "@std/assert";
import { ActorCrashed, Shutdown, TimeLimitExceeded, WorkerLost } from "@dq/dramatiq";
import { Ending } from "../../../worker/executors/realm_protocol.ts";
import { linesOf, textOf } from "../../support/log.ts";
import { test } from "../../support/test.ts";
import { playPool } from "./pool_fixture.ts";

const LATE = new TimeLimitExceeded("late");
const LOST = new WorkerLost("The worker stopped waiting");

test("RealmPool starts what a lost realm had begun again, with all of its time", async () => {
  await using play = playPool();
  const { clock, realms, start, run } = play;
  await start();
  const one = run(1);
  one.message.timeLimit = 1_000;
  await clock.advance(600);
  realms[0]!.die();
  await clock.settle();
  assertEquals([realms.length, one.told], [3, []]); // another one, and one for the suspect
  assertEquals(one.message.deadline, clock.now() + 1_000);
  realms[2]!.ready();
  await clock.settle();
  assertEquals(realms[2]!.handed, [[0, 1]]);
});

test("RealmPool does not restart a run whose message was delivered to another consumer", async () => {
  await using play = playPool({ count: 2 });
  const { clock, realms, start, run } = play;
  await start();
  const one = run(1);
  await clock.settle();
  one.isStale = true;
  realms[0]!.die();
  for (const realm of realms.slice(2)) realm.ready();
  await clock.settle();
  assertInstanceOf(one.told[0], WorkerLost);
  assertEquals(realms.map(({ handed }) => handed.length), [1, 0, 0]);
});

test("RealmPool starts no run again that was told that the worker stops", async () => {
  await using play = playPool();
  const { clock, realms, start, run } = play;
  await start();
  const [told, late] = [run(1), run(2)];
  await clock.settle();
  told.message.interrupt(new Shutdown("The worker is shutting down"));
  realms[0]!.die();
  realms[1]!.ready();
  await clock.settle();
  assertInstanceOf(told.told[0], WorkerLost);
  assertEquals([late.told, realms[1]!.handed], [[], [[0, 2]]]);
});

test("RealmPool blames at its limit a run that was alone, and runs it no more", async () => {
  await using play = playPool();
  const { clock, realms, start, run } = play;
  await start();
  const one = run(1);
  await clock.settle();
  one.message.interrupt(LATE, { grace: 100 });
  await clock.advance(1_000);
  assertEquals(one.told, [LATE]);
  assert(realms[0]!.isKilled);
  assertEquals(realms.length, 2);
  realms[1]!.ready();
  await clock.settle();
  assertEquals(realms[1]!.handed, []);
});

test("RealmPool runs suspects one by one, and blames the one that brings its realm down", async () => {
  await using play = playPool({ concurrency: 2 });
  const { clock, realms, start, run } = play;
  await start();
  const runs = [run(1), run(2)];
  await clock.settle();
  realms[0]!.die();
  const [, , quarantine] = realms;
  for (const realm of realms.slice(1)) realm.ready();
  await clock.settle();
  assertEquals(realms.map(({ handed }) => handed.length), [2, 0, 1]); // 1 is alone
  quarantine!.end(0, "innocent");
  await clock.settle();
  assertEquals([runs[0]!.told, quarantine!.handed], [["innocent"], [[0, 1], [0, 2]]]);
  quarantine!.die();
  assertInstanceOf(runs[1]!.told[0], ActorCrashed);
});

test("RealmPool runs again in another realm what had not begun in a lost one", async () => {
  await using play = playPool({ concurrency: 2, isShared: true });
  const { clock, realms, start, run } = play;
  await start();
  const [begun, innocent] = [run(1), run(2)];
  await clock.settle();
  realms[0]!.begin(0);
  realms[0]!.say({ crashed: { slot: 0, how: "it called process.exit(1)" } });
  realms[1]!.ready();
  await clock.settle();
  assertInstanceOf(begun.told[0], ActorCrashed);
  assertEquals([innocent.told, realms[1]!.handed], [[], [[0, 2]]]);
});

test("RealmPool logs a realm that crashed and ended as one loss", async () => {
  await using play = playPool();
  const { clock, realms, start, run } = play;
  await start();
  const one = run(1);
  await clock.settle();
  const lines = await linesOf({ category: ["dramatiq", "worker", "executor"] }, () => {
    realms[0]!.say({ crashed: { slot: 0, how: "it called process.exit(1)" } });
    realms[0]!.die();
    return Promise.resolve();
  });
  assertEquals(lines.map(textOf), [
    "Replacing a lost thread: it called process.exit(1)",
  ]);
  assertEquals([one.told.length, realms.length], [1, 2]);
});

test("RealmPool takes a run back at its limit that waits behind one that computes", async () => {
  await using play = playPool({ concurrency: 2, isShared: true });
  const { clock, realms, start, run } = play;
  await start();
  const [, waiting] = [run(1), run(2)];
  await clock.settle();
  realms[0]!.begin(0);
  waiting.message.interrupt(LATE, { grace: 0 });
  await clock.advance(10_000);
  assertEquals([waiting.told, waiting.message.interruptReason], [[], undefined]);
  realms[0]!.say({ ended: [1, Ending.neverBegan, undefined] }); // as it says when it comes to it
  realms[0]!.end(0);
  await clock.settle();
  assertEquals([waiting.told, realms[0]!.handed.at(-1)?.[1]], [[], 2]);
});

test("RealmPool kills no realm at the limit of a run that cannot hear because another one computes", async () => {
  await using play = playPool({ concurrency: 2, isShared: true });
  const { clock, realms, start, run } = play;
  await start();
  const [waits, computes] = [run(1), run(2)];
  await clock.settle();
  const [realm] = realms;
  realm!.begin(0);
  realm!.slots!.returned();
  realm!.begin(1);
  waits.message.interrupt(LATE, { grace: 100 });
  await clock.advance(10_000);
  assertEquals([realm!.isKilled, waits.told], [false, []]);
  realm!.end(1, "computed");
  realm!.say({ heard: 0 }); // and has its grace from here on
  await clock.advance(99);
  assertEquals([realm!.isKilled, computes.told], [false, ["computed"]]);
  await clock.advance(1);
  assertEquals([realm!.isKilled, waits.told], [true, [LATE]]);
});

test("RealmPool runs again what a realm says that it never began", async () => {
  await using play = playPool({ concurrency: 2 });
  const { clock, realms, start, run } = play;
  await start();
  const [, waiting] = [run(1), run(2)];
  await clock.settle();
  waiting.message.interrupt(LATE, { grace: 1_000 });
  realms[0]!.say({ ended: [1, Ending.neverBegan, undefined] });
  await clock.settle();
  assertEquals([waiting.told, clock.pendingTimers], [[], 0]);
  assertEquals(realms[0]!.handed, [[0, 1], [1, 2], [1, 2]]);
});

test("RealmPool fails no run at its limit that waits for room: it has had no time", async () => {
  await using play = playPool();
  const { clock, realms, start, run } = play;
  await start();
  const [, waiting] = [run(1), run(2)];
  waiting.message.timeLimit = 1_000;
  await clock.advance(1_500);
  waiting.message.interrupt(LATE, { grace: 0 });
  assertEquals([waiting.told, waiting.message.interruptReason], [[], undefined]);
  assertEquals(waiting.message.deadline, clock.now() + 1_000);
  realms[0]!.end(0);
  await clock.settle();
  assertEquals(realms[0]!.handed, [[0, 1], [0, 2]]);
});

test("RealmPool gives back a waiting run that the worker gives up, and starts it no more", async () => {
  await using play = playPool();
  const { clock, realms, start, run } = play;
  await start();
  const [, waiting] = [run(1), run(2)];
  waiting.message.interrupt(LOST, { grace: 0 });
  assertEquals(waiting.told, [LOST]);
  realms[0]!.end(0);
  await clock.settle();
  assertEquals(realms[0]!.handed, [[0, 1]]);
});

test("RealmPool runs all that waits for room, in order", async () => {
  await using play = playPool({ concurrency: 2 });
  const { clock, realms, start, run } = play;
  await start();
  const runs = [1, 2, 3, 4, 5].map(run);
  for (const slots of [[0], [1, 0], [1, 0]]) {
    await clock.settle();
    for (const slot of slots) realms[0]!.end(slot);
  }
  assertEquals(runs.map(({ told }) => told), runs.map(() => ["done"]));
  assertEquals(realms[0]!.handed.map(([, argument]) => argument), [1, 2, 3, 4, 5]);
});

test("RealmPool lets a later interrupt shorten the grace, and no later one lengthen it", async () => {
  for (const [first, second] of [[10_000, 1_000], [1_000, 10_000]] as const) {
    await using play = playPool();
    const { clock, realms, start, run } = play;
    await start();
    const one = run(1);
    await clock.settle();
    one.message.interrupt(LATE, { grace: first });
    one.message.interrupt(LATE, { grace: second });
    realms[0]!.say({ heard: 0 });
    await clock.advance(999);
    assertEquals(one.told, []);
    await clock.advance(1);
    assertEquals([one.told, clock.pendingTimers], [[LATE], 0]);
  }
});

test("RealmPool forgets an interrupt when its run ends", async () => {
  await using play = playPool();
  const { clock, realms, start, run } = play;
  await start();
  const one = run(1);
  await clock.settle();
  one.message.interrupt(LATE, { grace: 1_000 });
  realms[0]!.end(0, "in time");
  assertEquals([one.told, clock.pendingTimers], [["in time"], 0]);
});

test("RealmPool sends an interrupt behind the run that it is for", async () => {
  await using play = playPool();
  const { realms, start, run } = play;
  await start();
  run(1).message.interrupt(LATE, { grace: 1_000 });
  assertEquals(realms[0]!.posted.map((message) => Object.keys(message)[0]), ["runs", "interrupt"]);
});

test("RealmPool hands nothing to a slot whose actor it left to itself, until that ends", async () => {
  await using play = playPool();
  const { clock, realms, start, run } = play;
  await start();
  const one = run(1);
  await clock.settle();
  one.message.interrupt(LOST, { grace: 0 });
  assertEquals(one.told, [LOST]);
  const next = run(2);
  await clock.settle();
  assertEquals(realms[0]!.handed, [[0, 1]]);
  realms[0]!.end(0);
  await clock.settle();
  realms[0]!.end(0);
  assertEquals([one.told, next.told], [[LOST], ["done"]]);
});

test("RealmPool fails what cannot be cloned, and nothing that was sent with it", async () => {
  await using play = playPool({ concurrency: 3 });
  const { clock, realms, start, run } = play;
  await start();
  const uncloneable = new DOMException("It could not be cloned", "DataCloneError");
  realms[0]!.onPost = (message) => {
    if (JSON.stringify(message).includes("[2]")) throw uncloneable;
  };
  const runs = [1, 2, 3].map(run);
  await clock.settle();
  assertEquals(runs.map(({ told }) => told), [[], [uncloneable], []]);
  assertEquals(realms[0]!.handed.map(([, argument]) => argument), [1, 3]);
  run(4);
  await clock.settle();
  assertEquals(realms[0]!.handed.at(-1), [1, 4]); // its slot is free
});
