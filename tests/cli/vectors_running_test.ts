/**
 * Replays the cases of `tests/vectors/cli.json` about queues, pid files, logs and forks.
 * Where the command line behaves otherwise on purpose, the name of the test says how.
 *
 * @module
 */

import { readFile, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import process from "node:process";
import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { startRedis } from "../support/servers/redis.ts";
import { after, test } from "../support/test.ts";
import { App } from "./app.ts";
import { caseOf, translate } from "./cli_vectors.ts";
import { MODULES } from "./modules.ts";
import { eventually, Fixture, gone, isRunning } from "./fixture.ts";

const redis = await startRedis();
after(() => redis.stop());

test("worker.ts runs as many messages at once as dramatiq's threads (threads-3)", async () => {
  await using app = await App.open(redis.url);
  const program = app.startCase("threads-3");
  await program.working();
  const names = ["a", "b", "c", "d"];
  for (const name of names) await app.send("slow", [name]);
  await app.fixture.noted(`running ${caseOf("threads-3").running_at_once}`);
  await app.release();
  for (const name of names) await app.fixture.noted(`end ${name}`);
  assertEquals((await app.fixture.notes()).includes("running 4"), false);
  assertEquals(await program.stop(), 0);
});

test("worker.ts works on the queues it is told to, delayed messages too (queues-one, queues-two, queues-empty-list)", async () => {
  const names = ["queues-one", "queues-two", "queues-empty-list"];
  await Promise.all(names.map(async (name) => {
    await using app = await App.open(redis.url);
    await sendThree(app);
    const program = app.startCase(name);
    const { processed, left, exit_code } = caseOf(name);
    for (const note of processed!) await app.fixture.noted(note);
    assertEquals(await program.stop(), exit_code);
    assertEquals((await app.fixture.notes()).toSorted(), processed);
    assertEquals(await leftOn(app), left!);
  }));
});

test("worker.ts refuses queues that are not there, where dramatiq works on nothing (queues-unknown, queues-dq-name)", async () => {
  for (const name of ["queues-unknown", "queues-dq-name"]) {
    await using app = await App.open(redis.url);
    await sendThree(app);
    const program = app.startCase(name);
    assertEquals(await program.ended, 2);
    assertMatch(
      program.output,
      /Cannot work on \S+: the modules declare the queues goldq, goldother/,
    );
    assertEquals(await leftOn(app), caseOf(name).left!);
  }
});

async function sendThree(app: App): Promise<void> {
  await app.send("touch", ["from goldq"]);
  await app.send("other", ["from goldother"]);
  await app.send("touch", ["delayed on goldq"], 1);
}

async function leftOn(app: App): Promise<Record<string, number>> {
  const { ready, delayed } = await app.broker.getQueueMessageCounts("goldq");
  const other = await app.broker.getQueueMessageCounts("goldother");
  return { "goldq": ready, "goldq.DQ": delayed, "goldother": other.ready };
}

test("worker.ts keeps its pid in the file while it runs (pid-file, sighup)", async () => {
  await using fixture = await Fixture.open(MODULES);
  const path = join(fixture.folder, "d.pid");
  const program = fixture.start(["stubapp.ts", "--threads", "0", "--pid-file", path]);
  await program.working();
  assertEquals(await readFile(path, "utf8"), String(program.pid));
  assertEquals(`0o${((await stat(path)).mode & 0o777).toString(8)}`, caseOf("pid-file").mode);
  program.signal("SIGHUP");
  await program.working(2);
  assertEquals(await readFile(path, "utf8"), String(program.pid));
  assertEquals(await program.stop(), 0);
  assertEquals(await exists(path), false);
});

test("worker.ts replaces a pid file that a dead process has left (pid-file-stale, pid-file-stale-with-newline)", async () => {
  for (const lineBreak of ["", "\n"]) {
    await using fixture = await Fixture.open(MODULES);
    const path = join(fixture.folder, "d.pid");
    const dead = fixture.start(["--version"]);
    await dead.ended;
    await writeFile(path, `${dead.pid}${lineBreak}`);
    const program = fixture.start(["stubapp.ts", "--threads", "0", "--pid-file", path]);
    await program.working();
    assertEquals(await readFile(path, "utf8"), String(program.pid));
    assertEquals(await program.stop(), 0);
    assertEquals(await exists(path), false);
  }
});

test("worker.ts ends with 4 and leaves a pid file alone that is in use, or is none (pid-file-…)", async () => {
  const contents = {
    "pid-file-of-live-process": String(process.pid),
    "pid-file-garbage": "garbage",
    "pid-file-empty": "",
    "pid-file-float": "1.5",
    "pid-file-is-a-config-file": "[section]\nkey = 1\n",
  };
  await Promise.all(
    Object.entries(contents).map(async ([name, text]) => {
      await using fixture = await Fixture.open(MODULES);
      const args = translate(caseOf(name).arguments);
      const path = join(fixture.folder, args.at(-1)!);
      await writeFile(path, text);
      const program = fixture.start(args);
      assertEquals(await program.ended, 4, name);
      assertMatch(program.output, /^Cannot use pid file \S+: .+\n$/);
      assertEquals(await readFile(path, "utf8"), text);
    }),
  );
});

test("worker.ts ends with 4 when the pid file cannot be written, and removes it after a failure (pid-file-in-missing-directory, pid-file-after-import-failure)", async () => {
  await using fixture = await Fixture.open(MODULES);
  const nowhere = fixture.start(translate(caseOf("pid-file-in-missing-directory").arguments));
  assertEquals(await nowhere.ended, 4);
  assertMatch(
    nowhere.output,
    /^Cannot use pid file nosuchdir\/d\.pid: it cannot be written: .+\n$/,
  );
  const failing = fixture.start(translate(caseOf("pid-file-after-import-failure").arguments));
  assertEquals(await failing.ended, 2);
  assertEquals(await exists(join(fixture.folder, "d.pid")), false);
});

test("worker.ts logs to the standard error, prints of actors too (output, verbose)", async () => {
  await using app = await App.open(redis.url);
  await app.send("says", ["hello"]);
  const program = app.startCase("verbose", "--log-format", "text");
  await program.working();
  await program.printed("hello on stderr\n");
  assertEquals(await program.stop(), 0);
  assertEquals(program.stdout, "");
  assertMatch(program.output, /^hello$/m);
  assertMatch(
    program.output,
    /^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3} INFO {4}worker-1\[\d+\] dramatiq\.worker: Working on /m,
  );
});

test("worker.ts adds its log to a file, and writes nothing else (log-file, log-file-exists)", async () => {
  await using app = await App.open(redis.url);
  const path = join(app.fixture.folder, "d.log");
  await writeFile(path, "before\n");
  await app.send("says", ["hello"]);
  const program = app.startCase("log-file");
  const log = () => readFile(path, "utf8");
  for (const text of ["hello on stderr", "Working on"]) {
    await eventually(`see "${text}" in the log`, async () => (await log()).includes(text));
  }
  assertEquals(await program.stop(), 0);
  assertEquals(program.output, "");
  assert((await log()).startsWith("before\n{"), await log());
});

test("worker.ts writes nothing with --skip-logging (skip-logging)", async () => {
  await using app = await App.open(redis.url);
  await app.send("touch", ["touched"]);
  const program = app.startCase("skip-logging");
  await app.fixture.noted("touched");
  assertEquals(await program.stop(), 0);
  assertEquals(program.output, "");
});

// Reference: Middleware.forks
test("worker.ts runs fork functions in processes of their own (fork-function, fork-function-returns)", async () => {
  await using app = await App.open(redis.url);
  const program = app.startCase("fork-function", "-f", "app.ts:forked_returns");
  await program.printed("Finished fork-2");
  await eventually("see the fork run", async () => {
    return (await app.fixture.notes()).some((note) => /^forked \d+$/.test(note));
  });
  const pids = (await app.fixture.notes()).map((note) => /^forked (\d+)$/.exec(note)?.[1]);
  const pid = Number(pids.find((one) => one !== undefined));
  assert(isRunning(pid) && pid !== program.pid && !program.workers.includes(pid));
  assert(program.isRunning);
  assertEquals(await program.stop(), 0);
  await gone(pid);
  assertEquals((await app.fixture.notes()).toSorted(), ["fork ended", "forked", `forked ${pid}`]);
});

test("worker.ts ends with 2 for a fork function that is not there, where dramatiq logs that (fork-function-missing)", async () => {
  await using app = await App.open(redis.url);
  const program = app.startCase("fork-function-missing");
  assertEquals(await program.ended, 2);
  assertStringIncludes(program.output, "Cannot run nope of app.ts: it is not exported");
  for (const pid of program.workers) await gone(pid);
});

async function exists(path: string): Promise<boolean> {
  return await stat(path).then(() => true, () => false);
}
