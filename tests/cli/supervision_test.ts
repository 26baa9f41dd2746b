import process from "node:process";
import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { runtime } from "../../platform/runtime.ts";
import { startRedis } from "../support/servers/redis.ts";
import { after, test } from "../support/test.ts";
import { App } from "./app.ts";
import { eventually, Fixture, gone, isRunning, kill } from "./fixture.ts";

const redis = await startRedis();
after(() => redis.stop());

/** A broker in memory with one actor, and what follows. */
function module(text: string): string {
  return `import process from "node:process";
import { actor, setBroker, StubBroker } from "@dq/dramatiq";
export const broker = new StubBroker();
setBroker(broker);
${text}`;
}

/** Actors that bring their process down the first time they run. */
const DEADLY = `
import { existsSync, writeFileSync } from "node:fs";
import process from "node:process";
import { actor, RedisBroker, setBroker } from "@dq/dramatiq";

const { APP_REDIS, APP_NAMESPACE } = process.env;
setBroker(new RedisBroker({
  url: APP_REDIS,
  namespace: APP_NAMESPACE,
  heartbeatTimeout: 1_000,
  maintenanceInterval: 100,
}));

function once(name, act) {
  if (existsSync(import.meta.dirname + "/" + name)) return;
  writeFileSync(import.meta.dirname + "/" + name, "");
  act();
}
const onGoldq = { queueName: "goldq", minBackoff: 1, maxBackoff: 1 };
actor(async function touch(text) {
  await new Promise((done) => setTimeout(done, 5));
  note(text);
}, onGoldq);
actor(function killed() { once("killed", () => process.kill(process.pid, "SIGKILL")); note("killed"); }, onGoldq);
actor(function exits() { once("exits", () => process.exit(3)); note("exits"); }, onGoldq);
actor(async function late() {
  once("late", () => setTimeout(() => { throw new Error("thrown in a timer"); }));
  await new Promise((done) => setTimeout(done, 20));
  note("late");
}, onGoldq);
actor(async function hangs() {
  let isFirst = false;
  once("hangs", () => isFirst = true);
  if (isFirst) await new Promise(() => {});
  note("hangs");
}, onGoldq);
`;

for (const deed of ["killed", "exits", "late"]) {
  test(`A worker process that dies is replaced, and no message is lost (${deed})`, async () => {
    await using app = await App.open(redis.url);
    await app.fixture.write("app.ts", DEADLY);
    const names = Array.from({ length: 50 }, (_, i) => `message ${i}`);
    for (const name of names.slice(0, 25)) await app.send("touch", [name]);
    await app.send("hangs"); // whoever dies does not wait for it
    await app.send(deed);
    for (const name of names.slice(25)) await app.send("touch", [name]);
    const program = app.start("app.ts", "--threads", "0", "--concurrency", "4");
    await program.printed("Restarting worker-");
    await app.fixture.noted(deed);
    await app.fixture.noted("hangs");
    for (const name of names) await app.fixture.noted(name);
    await app.holds({ queued: 0, unacked: 0, stored: 0, dead: 0 });
    if (deed === "late") assertStringIncludes(program.output, "Uncaught error: thrown in a timer");
    assertEquals(await program.stop(), 0);
    const notes = await app.fixture.notes();
    assertEquals(new Set(notes), new Set([...names, deed, "hangs"]));
    // What ran, or was just to be acknowledged, when the process died ran once more.
    assert(notes.length <= names.length + 2 + 2 * 4, `${notes.length} runs`);
  });
}

test("A reload loses no message and runs none twice, however often", async () => {
  await using app = await App.open(redis.url);
  const program = app.start("app.ts", "--threads", "0", "--concurrency", "2");
  await program.working();
  const names = Array.from({ length: 200 }, (_, i) => `message ${i}`);
  for (const [i, name] of names.entries()) {
    await app.send("touch", [name]);
    if (i % 60 === 30) program.signal("SIGHUP");
  }
  await program.working(2);
  for (const name of names) await app.fixture.noted(name);
  await app.holds({ queued: 0, unacked: 0, stored: 0, dead: 0 });
  const { workers } = program;
  assertEquals(await program.stop(), 0);
  assertEquals((await app.fixture.notes()).toSorted(), names.toSorted());
  for (const pid of workers) await gone(pid);
});

test("A worker process is replaced after --max-tasks-per-child messages, which all run once", async () => {
  await using app = await App.open(redis.url);
  for (let i = 0; i < 7; i++) await app.send("pid");
  const args = ["--max-tasks-per-child", "3", "-t", "0", "--concurrency", "1"];
  const program = app.start("app.ts", ...args);
  await eventually("see seven notes", async () => (await app.fixture.notes()).length === 7);
  await app.holds({ queued: 0, unacked: 0, stored: 0, dead: 0 });
  const replaced = program.lines.filter(({ message }) =>
    message === "Replacing worker-1: it has processed 3 messages"
  );
  assert(replaced.length >= 1, program.output);
  assertEquals(new Set(replaced.map(({ level }) => level)), new Set(["info"]));
  assertEquals(await program.stop(), 0, program.output);
  const counts = Map.groupBy(await app.fixture.notes(), (pid) => pid);
  assert(counts.size >= 2, program.output);
  // One more may have begun when the third had been counted.
  for (const [pid, notes] of counts) assert(notes.length <= 4, `${notes.length} in ${pid}`);
});

test("The supervisor gives up after instant deaths in a row, with the exit code of the last", async () => {
  await using fixture = await Fixture.open({
    "dies.ts": module(`actor(function idle() {}); setTimeout(() => process.exit(9), 50);`),
  });
  const program = fixture.start(["dies.ts", "-t", "0"]);
  assertEquals(await program.ended, 9);
  assertEquals(program.lines.at(-1)!["message"], "Stopped after 0.0 s");
  assertMatch(
    program.output,
    /Cannot keep worker-1 running: 5 times in a row it did not work for 5 s; the last one ended with code 9/,
  );
  assertEquals(new Set(program.workers).size, 5);
});

test("A fork that dies is replaced, outlives the workers, and gets the time to end well", async () => {
  await using fixture = await Fixture.open({
    "forks.ts": module(`
      import { readFileSync } from "node:fs";
      async function first(signal) {
        note("first");
        await new Promise((done) => signal.onabort = done);
        note("first ended");
      }
      function second() {
        note("second");
        const runs = readFileSync(import.meta.dirname + "/notes", "utf8").split("second").length - 1;
        if (runs < 3) process.exit(1);
      }
      broker.addMiddleware({ forks: [first, second] });
      actor(function idle() {});
    `),
  });
  const program = fixture.start(["forks.ts", "-t", "0", "-p", "2"]);
  await program.printed("Running first");
  await fixture.noted("second", 3);
  // Forks go on when a worker dies.
  process.kill(program.workers[0]!, "SIGKILL");
  await program.working(3);
  assertEquals(await program.stop(), 0);
  const notes = await fixture.notes();
  assertEquals(notes.filter((note) => note.startsWith("first")), ["first", "first ended"]);
});

test("A child that does not start stops those that do", async () => {
  await using fixture = await Fixture.open({
    "picky.ts": module(`
      import { mkdirSync } from "node:fs";
      try { mkdirSync(import.meta.dirname + "/lock"); } catch { throw new Error("one is enough"); }
      actor(function idle() {});
    `),
  });
  const program = fixture.start(["picky.ts", "-t", "0", "-p", "2"]);
  assertEquals(await program.ended, 2);
  assertStringIncludes(program.output, "Cannot import picky.ts: Error: one is enough");
  assertEquals(program.workers.filter(isRunning), []);
});

test("What an actor starts is no child of the supervisor, and does not keep it from ending", async () => {
  await using fixture = await Fixture.open({
    "starts.ts": module(`
      import { spawn } from "node:child_process";
      const starts = actor(function starts() {
        const { pid } = spawn("sleep", ["60"], { stdio: "inherit" });
        note(String(pid));
      });
      await starts.send();
    `),
  });
  const program = fixture.start(["starts.ts", "-t", "0"]);
  await program.working();
  await eventually("see it started", async () => (await fixture.notes()).length === 1);
  const [pid] = await fixture.notes() as [string];
  try {
    assertEquals(await program.stop(), 0);
    assert(isRunning(Number(pid)));
  } finally {
    kill(Number(pid));
  }
});

/** An actor that never gives its thread back, and others that are innocent. */
const STUCK = `
import { existsSync, writeFileSync } from "node:fs";
import process from "node:process";
import { actor, RedisBroker, setBroker } from "@dq/dramatiq";

const { APP_REDIS, APP_NAMESPACE } = process.env;
setBroker(new RedisBroker({ url: APP_REDIS, namespace: APP_NAMESPACE }));
const onGoldq = { queueName: "goldq", minBackoff: 1, maxBackoff: 1 };
actor(function touch(text) { note(text); }, onGoldq);
actor(function stuck() {
  const marker = import.meta.dirname + "/stuck";
  if (!existsSync(marker)) {
    writeFileSync(marker, "");
    while (true);
  }
  note("free");
}, { ...onGoldq, timeLimit: 200 });
`;

test("A thread that is stuck is killed, if need be with its process, and no message is lost", async () => {
  await using app = await App.open(redis.url);
  await app.fixture.write("app.ts", STUCK);
  const names = Array.from({ length: 50 }, (_, i) => `message ${i}`);
  await app.send("stuck");
  for (const name of names) await app.send("touch", [name]);
  const program = app.start("app.ts", "--threads", "2", "--concurrency", "4");
  await app.fixture.noted("free");
  for (const name of names) await app.fixture.noted(name);
  await app.holds({ queued: 0, unacked: 0, stored: 0, dead: 0 });
  if (runtime === "deno") {
    // A thread that computes cannot be ended there: the process makes place for another one.
    await program.working(2);
    await gone(program.workers[0]!);
    assertStringIncludes(program.output, "Replacing worker-1: ");
  } else {
    assertEquals(program.workers.length, 1);
  }
  assertEquals(await program.stop(), 0);
  assertEquals(new Set(await app.fixture.notes()), new Set([...names, "free"]));
});
