import {
  assert,
  assertEquals,
  assertInstanceOf,
  assertRejects,
  assertStringIncludes,
} from "@std/assert";
import { deadline } from "@std/async";
import { DramatiqError, TimeLimitExceeded, WorkerLost } from "@dq/dramatiq";
import { nextTurn } from "../../../platform/runtime.ts";
import { toWire } from "../../../worker/executors/thrown_on_wire.ts";
import { textOf, withLog } from "../../support/log.ts";
import { eventually } from "../../support/servers/until.ts";
import { withShortTimers } from "../../support/short_timers.ts";
import { test } from "../../support/test.ts";
import { playPool, type SimulatedRealm, stopWhenAsked } from "./pool_fixture.ts";

/** Milliseconds: long beside the two seconds that a realm gets to stop. */
const LONG = 20_000;

/** Cannot begin. */
function refuse(realm: SimulatedRealm): void {
  realm.say({ refused: toWire(new Error("no such module")) });
}

test("RealmLifecycle.start stops what did start when one realm cannot begin", async () => {
  await using play = playPool({ count: 2 });
  const { broker, pool, realms } = play;
  const starting = pool.start(broker);
  realms.forEach(stopWhenAsked);
  realms[0]!.ready();
  refuse(realms[1]!);
  await assertRejects(() => starting, DramatiqError, "Cannot start a thread: no such module");
  assertEquals(realms.map(({ isKilled }) => isKilled), [true, true]);
});

test("RealmLifecycle warns of a realm that does not begin, unless it has stopped it", async () => {
  await using play = playPool({ count: 1, concurrency: 1 });
  const { pool, realms, run, start } = play;
  await start();
  run(1); // so that not this realm is stopped
  await withShortTimers(
    [10_000, 300_000],
    () =>
      withLog({ category: ["dramatiq", "worker"], lowestLevel: "warning" }, async (lines) => {
        const isNamed = (step: string) => () => lines.some((line) => textOf(line).includes(step));
        pool.resize(2);
        realms[1]!.say({ booting: "a.ts has not ended" });
        await eventually("name the first one", isNamed("a.ts has not ended"));
        pool.resize(1);
        pool.resize(2);
        realms[2]!.say({ booting: "b.ts has not ended" });
        await eventually("name the second one", isNamed("b.ts has not ended"));
        realms[0]!.onPost = () => realms[0]!.say({ stopped: true });
        await pool.stop();
      }),
  );
});

test("RealmLifecycle gives a run to the realm that has the least to do", async () => {
  await using play = playPool({ count: 2, concurrency: 3 });
  const { clock, realms, start, run } = play;
  await start();
  for (const n of [1, 2, 3]) run(n);
  await clock.settle();
  assertEquals(realms.map(({ handed }) => handed.length), [2, 1]);
  realms[0]!.end(0);
  realms[0]!.end(1);
  for (const n of [4, 5]) run(n);
  await clock.settle();
  assertEquals(realms.map(({ handed }) => handed.length), [4, 1]);
});

test("RealmLifecycle waits longer and longer for a realm to begin, then wants to be replaced", async () => {
  await using play = playPool();
  const { pool, realms, start } = play;
  await start();
  let retired: string | undefined;
  pool.retired.then((reason) => retired = reason);
  realms[0]!.die();
  const times: number[] = [];
  for (let refusals = 1; refusals <= 5; refusals++) {
    await eventually("try another realm", () => realms.length === refusals + 1);
    times.push(performance.now());
    assertEquals(retired, undefined);
    refuse(realms.at(-1)!);
    await nextTurn();
    assertEquals(realms.length, refusals + 1); // not at once
  }
  await eventually("want to be replaced", () => retired !== undefined);
  const pauses = times.slice(1).map((time, i) => time - times[i]!);
  for (const [i, pause] of pauses.entries()) assert(pause > 90 * 2 ** i, `${pauses}`);
  await pool.stop();
  await pool.stop();
});

test("RealmLifecycle starts from the shortest wait again once a realm has begun", async () => {
  await using play = playPool();
  const { pool, realms, start } = play;
  await start();
  let retired: string | undefined;
  pool.retired.then((reason) => retired = reason);
  for (let round = 0; round < 3; round++) {
    const before = realms.length;
    realms.at(-1)!.die();
    for (let refusals = 1; refusals <= 2; refusals++) {
      await eventually("try another realm", () => realms.length === before + refusals);
      refuse(realms.at(-1)!);
    }
    await eventually("try another realm", () => realms.length === before + 3);
    realms.at(-1)!.ready();
  }
  assertEquals(retired, undefined); // six refusals, never five in a row
  stopWhenAsked(realms.at(-1)!);
  await pool.stop();
});

test("RealmPool.stop ends a realm that does not answer, and fails what is in it", async () => {
  await using play = playPool();
  const { clock, pool, realms, start, run } = play;
  await start();
  const one = run(1);
  await clock.settle();
  one.message.interrupt(new TimeLimitExceeded("late"), { grace: 60_000 });
  await deadline(pool.stop(), LONG);
  assertInstanceOf(one.told[0], WorkerLost);
  assertEquals([realms[0]!.isKilled, clock.pendingTimers], [true, 0]);
});

test("RealmPool.stop ends the realm for suspects, too", async () => {
  await using play = playPool();
  const { clock, pool, realms, start, run } = play;
  await start();
  const one = run(1);
  await clock.settle();
  realms[0]!.die();
  const [, next, quarantine] = realms as [SimulatedRealm, SimulatedRealm, SimulatedRealm];
  for (const realm of [next, quarantine]) {
    stopWhenAsked(realm);
    realm.ready();
  }
  await clock.settle();
  assertEquals(quarantine.handed, [[0, 1]]);
  await pool.stop();
  assertEquals([next.isKilled, quarantine.isKilled], [true, true]);
  assertInstanceOf(one.told[0], WorkerLost);
});

test("RealmPool opens no realm while it stops, whatever ends meanwhile", async () => {
  await using play = playPool({ count: 2 });
  const { clock, pool, realms, start, run } = play;
  await start();
  for (const n of [1, 2]) run(n);
  await clock.settle();
  realms[0]!.die();
  assertEquals(realms.length, 4); // another one, and one for the suspect
  refuse(realms[3]!); // and that cannot begin
  const stopping = pool.stop();
  realms[1]!.end(0);
  refuse(realms[2]!);
  realms[1]!.say({ stopped: true });
  await stopping;
  await clock.settle();
  assertEquals(realms.length, 4);
});

test("RealmPool replaces no realm that it kills while it stops", async () => {
  await using play = playPool();
  const { clock, pool, realms, start, run } = play;
  await start();
  const late = new TimeLimitExceeded("late");
  const one = run(1);
  await clock.settle();
  one.message.interrupt(late, { grace: 1_000 });
  const stopping = pool.stop();
  await clock.advance(1_000);
  assertEquals([one.told, realms[0]!.isKilled], [[late], true]);
  await deadline(stopping, LONG);
  assertEquals(realms.length, 1);
});

test("RealmLifecycle says why a realm has died before it began, and which package it lacks", async () => {
  await using play = playPool();
  const { broker, pool, realms } = play;
  const starting = pool.start(broker);
  const text = "Cannot find package '@logtape/logtape' imported from realm_log.ts";
  realms[0]!.die("it ended with code 1", new Error(text));
  const error = await assertRejects(() => starting, DramatiqError);
  assertStringIncludes(error.message, `it ended with code 1: ${text}; install the packages`);
  await pool.stop();
});
