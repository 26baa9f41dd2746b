import { assert, assertEquals, assertInstanceOf, assertMatch } from "@std/assert";
import { ActorCrashed, TimeLimitExceeded, WorkerLost } from "@dq/dramatiq";
import { toWire } from "../../../worker/executors/thrown_on_wire.ts";
import { until } from "../../support/servers/until.ts";
import { test } from "../../support/test.ts";
import { playPool, type SimulatedRealm } from "./pool_fixture.ts";

const LATE = new TimeLimitExceeded("late");
const REFUSED = { refused: toWire(new Error("no")) };
const handedTo = (realm: SimulatedRealm | undefined) =>
  realm!.handed.map(([, argument]) => argument);

test("RealmPool starts no stale suspect, whenever it became stale", async () => {
  await using play = playPool({ concurrency: 4 });
  const { clock, realms, start, run } = play;
  await start();
  const [early, late, first, last] = [run(1), run(2), run(3), run(4)];
  await clock.settle();
  early.isStale = true;
  realms[0]!.die();
  const [replacement, quarantine] = realms.slice(1);
  replacement!.ready();
  assertInstanceOf(early.told[0], WorkerLost);
  late.isStale = true;
  quarantine!.ready();
  await clock.settle();
  assertInstanceOf(late.told[0], WorkerLost);
  assertEquals(handedTo(quarantine), [3]);
  last.isStale = true;
  quarantine!.end(0);
  await clock.settle();
  assertInstanceOf(last.told[0], WorkerLost);
  assertEquals([first.told, handedTo(quarantine)], [["done"], [3]]);
});

test("RealmPool starts no run that became stale while it waited for a realm", async () => {
  await using play = playPool({ concurrency: 4 });
  const { clock, realms, start, run } = play;
  await start();
  realms[0]!.die();
  const [stale, fresh] = [run(1), run(2)];
  stale.isStale = true;
  realms[1]!.ready();
  await clock.settle();
  assertInstanceOf(stale.told[0], WorkerLost);
  assertEquals([fresh.told, handedTo(realms[1])], [[], [2]]);
});

test("RealmPool takes nothing from a realm that is lost: each run ends once", async () => {
  await using play = playPool({ concurrency: 4 });
  const { clock, realms, start, run } = play;
  await start();
  const one = run(1);
  await clock.settle();
  const [lost] = realms as [SimulatedRealm];
  lost.say({ crashed: { slot: 0, how: "it called process.exit(1)" } });
  assertEquals([one.told.length, lost.isKilled], [1, true]);
  assertInstanceOf(one.told[0], ActorCrashed);
  const opened = realms.length;
  lost.end(0, "late");
  lost.say({ heard: 0 });
  lost.say({ crashed: { slot: 0, how: "again" } });
  lost.ready();
  lost.die();
  const next = run(2);
  await clock.settle();
  assertEquals([one.told.length, next.told], [1, []]);
  assertEquals([realms.length, handedTo(lost)], [opened, [1]]);
});

test("RealmPool takes what a realm told before it ended", async () => {
  await using play = playPool({ concurrency: 4 });
  const { clock, realms, start, run } = play;
  await start();
  const [ended, open] = [run(1), run(2)];
  await clock.settle();
  realms[0]!.end(0);
  realms[0]!.die();
  assertEquals([ended.told, open.told], [["done"], []]);
  realms[2]!.ready();
  await clock.settle();
  assertEquals(handedTo(realms[2]), [2]);
});

test("RealmPool leaves a run in peace that has begun and waits behind one that computes", async () => {
  await using play = playPool({ concurrency: 4, isShared: true });
  const { clock, realms, start, run } = play;
  await start();
  const [computing, behind] = [run(1), run(2)];
  await clock.settle();
  const [realm] = realms as [SimulatedRealm];
  realm.begin(1);
  realm.slots!.returned();
  realm.begin(0);
  behind.message.interrupt(LATE, { grace: 300 });
  await clock.advance(1_000);
  assertEquals([behind.told, realm.isKilled], [[], false]);
  computing.message.interrupt(LATE, { grace: 300 });
  await clock.advance(300);
  assertEquals([computing.told, behind.told, realm.isKilled], [[LATE], [], true]);
});

test("RealmLifecycle asks to be replaced after five refusals in a row, not in a lifetime", async () => {
  await using play = playPool();
  const { pool, realms, start } = play;
  await start();
  let reason: string | undefined;
  pool.retired.then((given) => reason = given);
  realms[0]!.die();
  /** Has the last realm end before it is ready, and waits for another one. */
  const refuse = async (realm: SimulatedRealm, isKilled: boolean) => {
    const count = realms.length;
    if (isKilled) realm.die("it was ended by SIGKILL");
    else realm.say(REFUSED);
    assertEquals(realms.length, count);
    // deno-lint-ignore require-await -- asynchronous for `until`
    await until(async () => realms.length > count, { what: "see a realm", timeout: 30_000 });
  };
  for (let i = 0; i < 3; i++) await refuse(realms.at(-1)!, i % 2 === 0);
  realms.at(-1)!.ready();
  realms.at(-1)!.die();
  for (let i = 0; i < 4; i++) await refuse(realms.at(-1)!, i % 2 === 0);
  assertEquals(reason, undefined);
  realms.at(-1)!.say(REFUSED);
  await Promise.resolve();
  assertMatch(String(reason), /^Cannot start a thread: no/);
  await pool.stop();
  assert(realms.every(({ isKilled }) => isKilled));
});
