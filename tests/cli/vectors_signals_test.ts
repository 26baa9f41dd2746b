/**
 * Replays the cases of `tests/vectors/cli.json` about signals. Where the command line behaves
 * otherwise on purpose, the name of the test says how, and the test says why.
 *
 * @module
 */

import process from "node:process";
import { assert, assertEquals, assertNotEquals } from "@std/assert";
import { startRedis } from "../support/servers/redis.ts";
import { after, test } from "../support/test.ts";
import { App } from "./app.ts";
import { caseOf } from "./cli_vectors.ts";
import { eventually, gone, isRunning, type Program } from "./fixture.ts";

const redis = await startRedis();
after(() => redis.stop());

/** Starts a case with one message running and one prefetched behind it. */
async function busy(app: App, name: string): Promise<Program> {
  await app.send("slow", ["a"]);
  const program = app.startCase(name, "--log-format", "json");
  await program.working();
  await app.fixture.noted("start a");
  await app.send("slow", ["b"]);
  await app.holds({ unacked: 2 });
  return program;
}

for (const signal of ["SIGTERM", "SIGINT"] as const) {
  const name = `${signal.toLowerCase()}-busy`;
  test(`worker.ts lets what runs end at ${signal}, and gives back what does not (${name})`, async () => {
    await using app = await App.open(redis.url);
    const program = await busy(app, name);
    program.signal(signal);
    await program.printed(`Stopping after ${signal}`);
    await app.holds({ queued: 1 });
    assert(isRunning(program.pid));
    await app.release();
    const { exit_code, notes, redis_after } = caseOf(name);
    assertEquals(await program.ended, exit_code);
    assertEquals((await app.fixture.notes()).filter((note) => !note.includes("running")), notes);
    assertEquals(await app.counts(), redis_after!);
  });
}

test("worker.ts leaves Ctrl-C to the supervisor when the workers get it too (ctrl-c)", async () => {
  await using app = await App.open(redis.url);
  await app.send("slow", ["a"]);
  const program = app.startCase("ctrl-c");
  await program.working();
  await app.fixture.noted("start a");
  for (const pid of [...program.workers, program.pid]) process.kill(pid, "SIGINT");
  await program.printed("Stopping after SIGINT");
  await app.release();
  const { exit_code, redis_after } = caseOf("ctrl-c");
  assertEquals(await program.ended, exit_code);
  assertEquals((await app.fixture.notes()).at(-1), "end a");
  assertEquals(await app.counts(), redis_after!);
});

test("worker.ts takes two signals of the same moment for one, and starts nothing anew while it stops", async () => {
  await using app = await App.open(redis.url);
  await app.send("slow", ["a"]);
  const program = app.startCase("ctrl-c");
  await program.working();
  await app.fixture.noted("start a");
  program.signal("SIGINT");
  program.signal("SIGINT"); // a terminal and what started the program may both send it
  await program.printed("Stopping after SIGINT");
  program.signal("SIGHUP"); // not earlier: of signals that are pending together, this one is first
  await app.release();
  assertEquals(await program.ended, 0);
  assertEquals((await app.fixture.notes()).at(-1), "end a");
  assertEquals(program.workers.length, 1);
  assertEquals(program.output.includes("Reloading"), false);
});

test("worker.ts kills at a second SIGTERM, or a SIGINT after one, with 1", async () => {
  const cases = [["second-sigterm", "SIGTERM"], ["sigterm-then-sigint", "SIGINT"]] as const;
  await Promise.all(cases.map(async ([name, second]) => {
    await using app = await App.open(redis.url);
    await app.send("slow", ["a"]);
    const program = app.startCase(name);
    await program.working();
    await app.fixture.noted("start a");
    program.signal("SIGTERM");
    await program.printed("Stopping after SIGTERM");
    // Two at the same time count as one: a terminal and what started the program may both send.
    await eventually("end it with another signal", () => {
      if (program.isRunning) program.signal(second);
      return !program.isRunning;
    });
    const { exit_code, redis_after } = caseOf(name);
    assertEquals(await program.ended, exit_code);
    for (const pid of program.workers) await gone(pid);
    assertEquals((await app.fixture.notes())[0], "start a");
    assertEquals((await app.fixture.notes()).includes("end a"), false);
    assertEquals(await app.counts(), redis_after!);
  }));
});

test("worker.ts gives back what outlasts --worker-shutdown-timeout, where dramatiq leaves it unacknowledged", async () => {
  await using app = await App.open(redis.url);
  const program = await busy(app, "worker-shutdown-timeout-1000");
  assertEquals(await program.stop(), caseOf("worker-shutdown-timeout-1000").exit_code);
  assertEquals(await app.counts(), { queued: 2, unacked: 0, stored: 2, dead: 0 });
  assertEquals((await app.fixture.notes()).includes("end a"), false);
});

test("worker.ts interrupts actors that want to know of the end (notify-shutdown)", async () => {
  await using app = await App.open(redis.url);
  await app.send("interruptible");
  const program = app.startCase("notify-shutdown");
  await app.fixture.noted("start interruptible");
  await program.working();
  const { exit_code, notes, redis_after } = caseOf("notify-shutdown");
  assertEquals(await program.stop(), exit_code);
  assertEquals(await app.fixture.notes(), notes!);
  assertEquals(await app.counts(), redis_after!);
});

test("worker.ts has new workers under the same pid after SIGHUP; the old one finishes beside the new one, where dramatiq waits for it (sighup, sighup-busy)", async () => {
  await using app = await App.open(redis.url);
  const program = await busy(app, "sighup-busy");
  program.signal("SIGHUP");
  await program.working(2);
  const [old, young] = program.workers as [number, number];
  assertNotEquals(old, young);
  assertEquals((await app.fixture.notes()).includes("end a"), false);
  // What the old one had not begun goes to the new one.
  await app.fixture.noted("start b");
  await app.release();
  await gone(old);
  await app.fixture.noted("end b");
  assertEquals(await program.stop(), 0);
  const ends = (await app.fixture.notes()).filter((note) => note.startsWith("end"));
  assertEquals(ends.toSorted(), ["end a", "end b"]);
  assertEquals(await app.counts(), { queued: 0, unacked: 0, stored: 0, dead: 0 });
});

test("worker.ts stops well at a SIGTERM after a SIGHUP, where dramatiq kills (sighup-then-sigterm)", async () => {
  await using app = await App.open(redis.url);
  await app.send("slow", ["a"]);
  const program = app.startCase("sighup-then-sigterm");
  await program.working();
  await app.fixture.noted("start a");
  program.signal("SIGHUP");
  await program.printed("Reloading");
  program.signal("SIGTERM");
  await program.printed("Stopping after SIGTERM");
  await app.release();
  assertEquals(await program.ended, 0);
  assertEquals((await app.fixture.notes()).at(-1), "end a");
  assertEquals(await app.counts(), { queued: 0, unacked: 0, stored: 0, dead: 0 });
});

test("worker.ts replaces a worker that gets a signal of its own, where dramatiq ends (one-worker-gets-sigterm, one-worker-gets-sigkill)", async () => {
  await using app = await App.open(redis.url);
  const program = app.startCase("one-worker-gets-sigterm");
  await program.working(2);
  const [first, second] = program.workers as [number, number];
  process.kill(first, "SIGTERM");
  await program.working(3);
  process.kill(second, "SIGKILL");
  await program.working(4);
  await program.printed("was killed by SIGKILL");
  const young = program.workers.slice(2);
  assertEquals(young.map(isRunning), [true, true]);
  assertEquals([first, second].map(isRunning), [false, false]);
  await app.send("touch", ["still there"]);
  await app.fixture.noted("still there");
  assertEquals(await program.stop(), 0);
});

test("worker.ts leaves no worker behind when the supervisor is killed, where dramatiq does (sigkill-master)", async () => {
  await using app = await App.open(redis.url);
  const program = await busy(app, "sigkill-master");
  const [worker] = program.workers as [number];
  program.signal("SIGKILL");
  await program.ended;
  await app.holds({ queued: 1 }); // it has noticed
  assert(isRunning(worker)); // and finishes what it has begun
  await app.release();
  await gone(worker);
  assertEquals((await app.fixture.notes()).at(-1), "end a");
  assertEquals(await app.counts(), { queued: 1, unacked: 0, stored: 1, dead: 0 });
});
