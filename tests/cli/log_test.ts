import { spawnSync } from "node:child_process";
import { mkdtemp, readFile, rename, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { assert, assertEquals, assertMatch } from "@std/assert";
import { formatJson, formatText, type LogLine, toJson } from "../../cli/log_line.ts";
import { LogWriter } from "../../cli/log_writer.ts";
import { formatDuration, formatStatus } from "../../cli/status.ts";
import { test } from "../support/test.ts";
import { eventually, Fixture, ROOT, RUN } from "./fixture.ts";

const SOURCE = { name: "worker-1", pid: 7 };
const LINE: LogLine = {
  time: Date.UTC(2026, 10, 22, 1, 2, 3, 45),
  level: "info",
  logger: "dramatiq.worker",
  text: "Message m of add is done",
  properties: { messageId: "m", actor: "add", queue: "default" },
};

test("formatText names the message, the actor and the queue, each once", () => {
  const text = formatText(LINE, SOURCE, false);
  assertMatch(
    text,
    /^2026-11-\d\d \d\d:\d\d:03\.045 INFO {4}worker-1\[7\] dramatiq\.worker: Message m of add is done queue=default\n$/,
  );
  const bare = formatText({ ...LINE, text: "It is done" }, SOURCE, false);
  assert(bare.endsWith(": It is done messageId=m actor=add queue=default\n"), bare);
  assert(formatText(LINE, SOURCE, true).includes("\x1b[32mINFO   \x1b[0m"));
});

test("formatText shows the stack of an actor's error, but not of an outage", () => {
  const error = { name: "Error", message: "boom", stack: "Error: boom\n    at add (a.ts:1:2)" };
  const failed = { ...LINE, level: "error" as const, properties: { ...LINE.properties, error } };
  assert(
    formatText(failed, SOURCE, false).endsWith("\n    Error: boom\n        at add (a.ts:1:2)\n"),
  );
  // The steps that led to the actor say nothing.
  const step = `\n    at InlineExecutor.run (${new URL(
    "../../worker/job.ts",
    import.meta.url,
  )}:6:7)`;
  const long = { ...error, stack: `${error.stack}${step}\n    at ext:core/01_core.js:1:2` };
  const withSteps = { ...failed, properties: { ...failed.properties, error: long } };
  assertEquals(formatText(withSteps, SOURCE, false), formatText(failed, SOURCE, false));
  const away = { ...failed, properties: { error } };
  assertEquals(formatText(away, SOURCE, false).split("\n").length, 2);
});

test("formatJson writes one object, whose own fields properties cannot overwrite", () => {
  const line = { ...LINE, properties: { ...LINE.properties, message: "mine", level: 9, x: 1 } };
  assertEquals(JSON.parse(formatJson(line, SOURCE)), {
    time: "2026-11-22T01:02:03.045Z",
    level: "info",
    process: "worker-1",
    pid: 7,
    logger: "dramatiq.worker",
    message: "Message m of add is done",
    messageId: "m",
    actor: "add",
    queue: "default",
    x: 1,
  });
});

test("LogWriter writes its process and pid once to an object that an actor printed", async () => {
  const folder = await mkdtemp(join(tmpdir(), "log-"));
  const file = join(folder, "log");
  const writer = new LogWriter({ file, format: "json", color: false, isSilent: false });
  const ours = `"process":"worker-1","pid":7}`;
  const cases: [printed: string, written: string][] = [
    [`{ }`, `{${ours}`],
    [`{"n":12345678901234567890}`, `{"n":12345678901234567890,${ours}`],
    [`{"pid":1}`, `{${ours}`],
    [
      `{"level":30,"pid":1,"n":12345678901234567890}`,
      `{"level":30,"n":12345678901234567890,${ours}`,
    ],
    [
      `{"p\\u0069d":[1,{"a":"}"}], "process" : {"pid":2},"msg":"\\"pid\\":3,"}`,
      `{"msg":"\\"pid\\":3,",${ours}`,
    ],
    [
      `{ "pid":1,"pid":2 , "":{"pid":[5,6]},"pid ":"pid"}`,
      `{"":{"pid":[5,6]},"pid ":"pid",${ours}`,
    ],
  ];
  for (const [printed] of cases) writer.writePrinted(printed, "stdout", SOURCE);
  await writer.flushed();
  const lines = (await readFile(file, "utf8")).trimEnd().split("\n");
  assertEquals(lines, cases.map(([, written]) => written));
  await rm(folder, { recursive: true });
});

test("toJson converts any value", () => {
  const circle: Record<string, unknown> = { big: 1n, nan: NaN, at: new Date(0), f: undefined };
  circle["self"] = circle;
  circle["set"] = new Set([1]);
  circle["error"] = new TypeError("boom");
  circle["symbol"] = Symbol("s");
  circle["worse"] = {
    get value() {
      throw new Error("hands off");
    },
  };
  const plain = JSON.parse(JSON.stringify(toJson(circle)));
  assertEquals([plain.big, plain.nan, plain.at], ["1", "NaN", "1970-01-01T00:00:00.000Z"]);
  assertEquals([plain.set, plain.symbol], [[1], "Symbol(s)"]);
  assertEquals([plain.error.name, plain.error.message], ["TypeError", "boom"]);
  assertEquals(plain.worse, "(cannot be shown: hands off)");
  assertEquals(plain.self.self.self.self.self.self, "…");
});

test("formatDuration and formatStatus format values for people", () => {
  assertEquals(
    [0, 1_234, 59_999, 60_000, 187_000, 3_600_000, 190_000_000].map(formatDuration),
    ["0.0 s", "1.2 s", "60.0 s", "1 min 0 s", "3 min 7 s", "1 h 0 min", "2 d 4 h"],
  );
  const status = {
    ...{ uptime: 60_000, inFlight: 0, done: 5, failed: 1, retried: 2 },
    ...{ state: "working", slots: 8, brokerSilentFor: 0 } as const,
  };
  const working = { isReady: true, isStopping: false };
  assertEquals(
    formatStatus(status, working)[0],
    "Status: up 1 min 0 s, 0 in flight, 5 done, 1 failed, 2 retried",
  );
  const finishing = formatStatus(status, { isReady: true, isStopping: true })[0];
  assertMatch(finishing, /^Status: finishing, up 1 min 0 s/);
  assertMatch(formatStatus(undefined, working)[0], /no answer/);
  assertEquals(formatStatus(undefined, { ...working, isReady: false })[0], "Status: starting");
});

/** Actors that log, print and fail, and one that stays. */
const CHATTY = `
import { actor, setBroker, StubBroker } from "@dq/dramatiq";
const broker = new StubBroker();
setBroker(broker);
const fails = actor(function fails() { throw new Error("boom"); }, { maxRetries: 0 });
const prints = actor(function prints() {
  console.log("plain words");
  console.log(JSON.stringify({ mine: true }));
});
const stays = actor(async function stays() { await new Promise(() => {}); });
for (const one of [fails, prints, stays]) await one.send();
`;

test("The log is JSON, line by line, where it goes to no terminal; each line about a message names it", async () => {
  await using fixture = await Fixture.open({ "chatty.ts": CHATTY });
  const program = fixture.start(["chatty.ts", "-t", "0", "--worker-shutdown-timeout", "10"]);
  await program.working();
  await program.printed('"mine":true');
  await program.printed("boom");
  assertEquals(await program.stop(), 0);
  const lines = program.output.trimEnd().split("\n").map((line) => JSON.parse(line));
  assertEquals(lines.filter(({ mine }) => mine === true).length, 1);
  assertEquals(lines.find(({ message }) => message === "plain words").logger, "stdout");
  const failed = lines.find(({ level, actor }) => level === "error" && actor === "fails");
  assertEquals([failed.queue, failed.error.message], ["default", "boom"]);
  assertMatch(failed.messageId, /^[\da-f-]{36}$/);
  assertMatch(failed.error.stack, /chatty\.ts/);
  for (const line of lines.filter(({ message }) => /^Message /.test(message))) {
    assertEquals([typeof line.messageId, typeof line.actor, line.queue], [
      "string",
      "string",
      "default",
    ]);
  }
});

test("SIGUSR2 logs what each worker is doing, and which message is oldest", async () => {
  await using fixture = await Fixture.open({ "chatty.ts": CHATTY });
  const program = fixture.start(
    ["chatty.ts", "-t", "0", "-p", "2", "--worker-shutdown-timeout", "10"],
  );
  await program.working(2);
  await program.printed("boom", 4);
  program.signal("SIGUSR2");
  await program.printed("Status: ", 3);
  const status = program.lines.filter(({ logger }) => logger === "dramatiq.status");
  assertEquals(status.map(({ process }) => process).toSorted(), ["worker-1", "worker-2"]);
  for (const { inFlight, done, failed, retried, actor, queue, runningFor, message } of status) {
    assertEquals([inFlight, done, failed, retried], [1, 1, 1, 0]);
    assertEquals([actor, queue], ["stays", "default"]);
    assert(Number(runningFor) >= 0);
    assertMatch(
      String(message),
      /1 in flight, 1 done, 1 failed, 0 retried, oldest \S+ of stays for/,
    );
  }
  assertEquals(await program.stop(), 0);
});

test("SIGUSR2 logs a worker that does not answer because its event loop is blocked", async () => {
  await using fixture = await Fixture.open({
    "blocks.ts": `
      import { actor, setBroker, StubBroker } from "@dq/dramatiq";
      setBroker(new StubBroker());
      const blocks = actor(function blocks() { note("blocks"); while (true); });
      setTimeout(() => blocks.send(), 100);`,
  });
  const program = fixture.start(["blocks.ts", "-t", "0"]);
  await program.working();
  await fixture.noted("blocks");
  program.signal("SIGUSR2");
  await program.printed("Status: no answer, its event loop is busy");
  await program.kill();
});

test("SIGHUP opens the log file again, for those who rotate it", async () => {
  await using fixture = await Fixture.open({ "chatty.ts": CHATTY });
  const path = join(fixture.folder, "d.log");
  const program = fixture.start(
    ["chatty.ts", "-t", "0", "--log-file", path, "--worker-shutdown-timeout", "10"],
  );
  const has = (text: string) =>
    eventually(`see ${text}`, async () => (await readFile(path, "utf8")).includes(text));
  await has("Working on");
  await rename(path, `${path}.1`);
  program.signal("SIGHUP");
  await has("Working on");
  assertEquals(await program.stop(), 0);
  assert(!(await readFile(`${path}.1`, "utf8")).includes("Stopping"));
  assert((await readFile(path, "utf8")).includes("Stopping"));
});

test("A log in a file that other programs write, too, overwrites nothing and is not overwritten", async () => {
  await using fixture = await Fixture.open();
  const command = [process.execPath, ...RUN, join(ROOT, "worker.ts"), "missing.ts"].join(" ");
  const script = `{ echo before; ${command}; echo after; } > log 2>&1`;
  spawnSync("sh", ["-c", script], { cwd: fixture.folder });
  const lines = (await readFile(join(fixture.folder, "log"), "utf8")).trim().split("\n");
  assertEquals([lines.length, lines[0], lines[2]], [3, "before", "after"]);
  assertMatch(JSON.parse(lines[1]!).message, /^Cannot import missing\.ts/);
});

test("A log file that cannot be written ends the program with 2", async () => {
  await using fixture = await Fixture.open();
  await writeFile(join(fixture.folder, "file"), "");
  const program = fixture.start(["a.ts", "--log-file", "file/d.log"]);
  assertEquals(await program.ended, 2);
  assertMatch(program.output, /^Cannot write the log to file\/d\.log: .+\n$/);
});
