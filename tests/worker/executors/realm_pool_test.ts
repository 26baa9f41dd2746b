import { assertEquals } from "@std/assert";
import { Shutdown, TimeLimitExceeded, WorkerLost } from "@dq/dramatiq";
import { monotonicTime } from "../../../core/clock.ts";
import { Ending } from "../../../worker/executors/realm_protocol.ts";
import { test } from "../../support/test.ts";
import { PoolStage } from "./scripted_realms.ts";

const turn = () => Promise.resolve();
const LATE = new TimeLimitExceeded("late");

test("RealmPool starts a stale run no second time when its realm is lost by another one", async () => {
  const stage = await new PoolStage().start();
  const [offender, stale, fresh] = stage.run("offender", "stale", "fresh");
  await turn();
  stale!.isStale = true;
  stage.realm(0).tell({ crashed: { slot: 0, how: "it called process.exit(1)" } });
  stage.realm(1).tell({ ready: ["x"] });
  await turn();
  assertEquals(offender!.told, ["ActorCrashed"]);
  assertEquals(stale!.told, ["WorkerLost"]);
  assertEquals([fresh!.told, stage.realm(1).handed], [[], ["fresh"]]);
});

test("RealmPool starts no stale suspect, whenever it became stale", async () => {
  const stage = await new PoolStage().start();
  const [early, late, first, last] = stage.run("early", "late", "first", "last");
  await turn();
  early!.isStale = true;
  stage.realm(0).end();
  const [replacement, cell] = stage.realms.slice(1);
  replacement!.tell({ ready: ["x"] });
  assertEquals(early!.told, ["WorkerLost"]);
  late!.isStale = true;
  cell!.tell({ ready: ["x"] });
  await turn();
  assertEquals([late!.told, cell!.handed], [["WorkerLost"], ["first"]]);
  last!.isStale = true;
  cell!.tell({ ended: [0, Ending.returned, 1] });
  await turn();
  assertEquals([first!.told, last!.told, cell!.handed], [[1], ["WorkerLost"], ["first"]]);
});

test("RealmPool starts no run that became stale while it waited for a realm", async () => {
  const stage = await new PoolStage().start();
  stage.realm(0).end();
  const [stale, fresh] = stage.run("stale", "fresh");
  stale!.isStale = true;
  stage.realm(1).tell({ ready: ["x"] });
  await turn();
  assertEquals([stale!.told, fresh!.told, stage.realm(1).handed], [["WorkerLost"], [], ["fresh"]]);
});

test("RealmPool starts no run again that is to stop, but one that is merely late", async () => {
  const stage = await new PoolStage().start();
  const [, stopping, late] = stage.run("offender", "stopping", "late");
  await turn();
  late!.message.timeLimit = 700;
  for (const [run, reason] of [[stopping, new Shutdown("stop")], [late, LATE]] as const) {
    run!.message.interrupt(reason);
  }
  stage.realm(0).tell({ crashed: { slot: 0, how: "it called process.exit(1)" } });
  stage.realm(1).tell({ ready: ["x"] });
  await turn();
  assertEquals([stopping!.told, late!.told], [["WorkerLost"], []]);
  assertEquals(stage.realm(1).handed, ["late"]);
  const { interruptReason, deadline } = late!.message;
  assertEquals([interruptReason, deadline], [undefined, monotonicTime(stage.clock) + 700]);
});

test("RealmPool runs suspects one by one, alone, and closes their realm after the last", async () => {
  const stage = await new PoolStage().start();
  const runs = stage.run("a", "b", "c");
  await turn();
  stage.realm(0).end();
  const cell = stage.realm(2);
  assertEquals(stage.sizes, [4, 4, 1]);
  cell.tell({ ready: ["x"] });
  for (const [i, expected] of [["a"], ["a", "b"], ["a", "b", "c"]].entries()) {
    await turn();
    assertEquals([cell.handed, cell.isKilled], [expected, false]);
    cell.tell({ ended: [0, Ending.returned, i] });
  }
  await turn();
  await turn();
  assertEquals(runs.map(({ told }) => told), [[0], [1], [2]]);
  assertEquals(cell.posted.at(-1), { stop: true });
});

test("RealmPool blames the suspect that brings its own realm down, and goes on with the next", async () => {
  const stage = await new PoolStage().start();
  const [guilty, next] = stage.run("guilty", "next");
  await turn();
  stage.realm(0).end();
  stage.realm(2).tell({ ready: ["x"] });
  await turn();
  stage.realm(2).end();
  stage.realm(3).tell({ ready: ["x"] });
  await turn();
  assertEquals([guilty!.told, next!.told], [["ActorCrashed"], []]);
  assertEquals([stage.realm(3).handed, stage.realms.length], [["next"], 4]);
});

test("RealmPool takes nothing from a realm that is lost: each run ends once", async () => {
  const stage = await new PoolStage().start();
  const [run] = stage.run("a");
  await turn();
  const lost = stage.realm(0);
  lost.tell({ crashed: { slot: 0, how: "it called process.exit(1)" } });
  assertEquals([run!.told, lost.isKilled], [["ActorCrashed"], true]);
  const opened = stage.realms.length;
  lost.tell({ ended: [0, Ending.returned, "late"] });
  lost.tell({ heard: 0 });
  lost.tell({ crashed: { slot: 0, how: "again" } });
  lost.tell({ ready: ["x"] });
  lost.end();
  const [next] = stage.run("b");
  await turn();
  assertEquals([run!.told, next!.told], [["ActorCrashed"], []]);
  assertEquals([stage.realms.length, lost.handed], [opened, ["a"]]);
});

test("RealmPool takes what a realm told before it ended", async () => {
  const stage = await new PoolStage().start();
  const [done, open] = stage.run("done", "open");
  await turn();
  stage.realm(0).tell({ ended: [0, Ending.returned, 7] });
  stage.realm(0).end();
  assertEquals([done!.told, open!.told], [[7], []]);
  stage.realm(2).tell({ ready: ["x"] });
  await turn();
  assertEquals(stage.realm(2).handed, ["open"]);
});

test("RealmPool gives a run to the realm with the least to do, and keeps it while none has room", async () => {
  const stage = await new PoolStage({ count: 2, concurrency: 2 }).start();
  stage.run("a", "b", "c", "d", "e", "f");
  await turn();
  const handed = () => stage.realms.map((one) => one.handed);
  assertEquals(handed(), [["a", "c"], ["b", "d"]]);
  stage.realm(1).tell({ ended: [0, Ending.returned, 0] });
  await turn();
  assertEquals(handed(), [["a", "c"], ["b", "d", "e"]]);
  stage.realm(0).tell({ ended: [0, Ending.returned, 0] });
  await turn();
  assertEquals(handed(), [["a", "c", "f"], ["b", "d", "e"]]);
});

test("RealmPool.interrupt takes back a run that has not begun, which begins elsewhere", async () => {
  const stage = await new PoolStage({ sharesMemory: true, concurrency: 2 }).start();
  const [begun, waiting] = stage.run("begun", "waiting");
  await turn();
  stage.realm(0).slots!.begin(0);
  stage.pool.interrupt(waiting!, LATE, 100);
  await turn();
  assertEquals(waiting!.told, []);
  // The slot that it had is taken until the realm has seen that it is not to begin.
  assertEquals(stage.realm(0).handed, ["begun", "waiting"]);
  stage.realm(0).tell({ ended: [1, Ending.neverBegan, undefined] });
  await turn();
  assertEquals(stage.realm(0).handed, ["begun", "waiting", "waiting"]);
  assertEquals(begun!.told, []);
});

test("RealmPool.interrupt fails a run that waits when the worker stops, not when it is late", async () => {
  const stage = new PoolStage();
  const starting = stage.pool.start(stage.broker);
  const [late, stopped, lost, other] = stage.run("late", "stopped", "lost", "other");
  stage.pool.interrupt(late!, LATE, 0);
  stage.pool.interrupt(stopped!, new Shutdown("stop"), Infinity);
  stage.pool.interrupt(lost!, new WorkerLost("gone"), 0);
  assertEquals([late, stopped, lost, other].map((run) => run!.told), [
    [],
    ["WorkerLost"],
    ["WorkerLost"],
    [],
  ]);
  stage.realm(0).tell({ ready: ["x"] });
  await starting;
  await turn();
  assertEquals(stage.realm(0).handed, ["late", "other"]);
});

test("RealmPool kills at the limit the run that heard its interrupt, and blames no other", async () => {
  const stage = await new PoolStage().start();
  const [late, innocent] = stage.run("late", "innocent");
  await turn();
  stage.pool.interrupt(late!, LATE, 300);
  stage.realm(0).tell({ heard: 0 });
  await stage.clock.advance(299);
  assertEquals([late!.told, stage.realm(0).isKilled], [[], false]);
  await stage.clock.advance(1);
  assertEquals([late!.told, stage.realm(0).isKilled], [["TimeLimitExceeded"], true]);
  stage.realm(1).tell({ ready: ["x"] });
  await turn();
  assertEquals([innocent!.told, stage.realm(1).handed], [[], ["innocent"]]);
});

test("RealmPool leaves a run in peace that waits behind one that computes", async () => {
  const stage = await new PoolStage({ sharesMemory: true }).start();
  const [computing, behind] = stage.run("computing", "behind");
  await turn();
  const slots = stage.realm(0).slots!;
  slots.begin(1);
  slots.gaveTheThreadBack();
  slots.begin(0);
  stage.pool.interrupt(behind!, LATE, 300);
  await stage.clock.advance(1_000);
  assertEquals([behind!.told, stage.realm(0).isKilled], [[], false]);
  stage.pool.interrupt(computing!, LATE, 300);
  await stage.clock.advance(300);
  assertEquals([computing!.told, behind!.told], [["TimeLimitExceeded"], []]);
  assertEquals(stage.realm(0).isKilled, true);
});

test("RealmPool leaves a run alone that the worker does not wait for, without killing its realm", async () => {
  const stage = await new PoolStage({ concurrency: 1 }).start();
  const [left] = stage.run("left", "next");
  await turn();
  stage.pool.interrupt(left!, new WorkerLost("no time left"), 0);
  await stage.clock.advance(10_000);
  assertEquals([left!.told, stage.realm(0).isKilled], [["WorkerLost"], false]);
  assertEquals(stage.realm(0).handed, ["left"]); // it keeps its slot
  stage.realm(0).tell({ ended: [0, Ending.returned, "late"] });
  await turn();
  assertEquals([left!.told, stage.realm(0).handed], [["WorkerLost"], ["left", "next"]]);
});
