import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { closeSync, constants, openSync, readSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import process from "node:process";
import { assert, assertEquals, assertMatch } from "@std/assert";
import { LogOutput } from "../../cli/log_output.ts";
import { eventually, Fixture, gone, kill, ROOT, RUN } from "../cli/fixture.ts";
import { test } from "../support/test.ts";

/** Enough to fill any pipe and the buffer behind it. */
const LINES = 400;

const LOUD = `
import { actor, setBroker, StubBroker } from "@dq/dramatiq";
setBroker(new StubBroker());
const loud = actor(function loud(i) {
  console.log(i + " " + "x".repeat(10_000));
  note("ran");
});
for (let i = 0; i < ${LINES}; i++) await loud.send(i);
`;

/** A supervisor whose log goes into a pipe that has no reader until `read` is called. */
class Unread implements AsyncDisposable {
  output = "";
  readonly #pidFile: string;
  readonly #shell: ChildProcess;

  constructor(fixture: Fixture) {
    this.#pidFile = join(fixture.folder, "d.pid");
    const args = [...RUN, join(ROOT, "worker.ts"), "loud.ts", "-t", "0"];
    // A shell makes a pipe, where `spawn` makes a socket.
    const script = `exec 3<&0; "$@" 2>&1 | { read go <&3; cat; }`;
    const command = [process.execPath, ...args, "--pid-file", this.#pidFile];
    this.#shell = spawn("sh", ["-c", script, "sh", ...command], {
      cwd: fixture.folder,
      stdio: ["pipe", "pipe", "inherit"],
      env: { ...process.env, NO_COLOR: "1" },
    });
    this.#shell.stdout!.setEncoding("utf8").on("data", (text: string) => this.output += text);
  }

  /** Ends it by SIGTERM, and waits until it is gone. */
  async stop(): Promise<void> {
    const pid = Number(await readFile(this.#pidFile, "utf8"));
    process.kill(pid, "SIGTERM");
    await gone(pid);
  }

  /** Lets the reader read, to the end if the supervisor has stopped. */
  read(): void {
    this.#shell.stdin!.write("go\n");
  }

  async ended(): Promise<void> {
    await once(this.#shell, "close");
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const pid = await readFile(this.#pidFile, "utf8").catch(() => undefined);
    if (pid !== undefined) kill(Number(pid));
    this.#shell.kill("SIGKILL");
  }
}

test("A log that is not read stops neither the queue nor SIGTERM", async () => {
  await using fixture = await Fixture.open({ "loud.ts": LOUD });
  await using unread = new Unread(fixture);
  await fixture.noted("ran", LINES);
  await unread.stop();
  assertEquals((await fixture.notes()).length, LINES);
});

test("A log tells how many lines were dropped when its reader goes on", async () => {
  await using fixture = await Fixture.open({ "loud.ts": LOUD });
  await using unread = new Unread(fixture);
  await fixture.noted("ran", LINES);
  unread.read();
  await eventually("see the dropped lines reported", () => unread.output.includes("Dropped "));
  const ended = unread.ended();
  await unread.stop();
  await ended;
  const lines = unread.output.trimEnd().split("\n").map((line) => JSON.parse(line));
  const reports = lines.filter(({ droppedLines }) => droppedLines !== undefined);
  for (const { process, level, message, droppedLines } of reports) {
    assertEquals([process, level], ["supervisor", "warning"]);
    assertEquals(
      message,
      `Dropped ${droppedLines} log lines that could not be written, or that were not read`,
    );
  }
  const loud = lines.filter(({ logger }) => logger === "stdout").length;
  const dropped = reports.reduce((sum, { droppedLines }) => sum + droppedLines, 0);
  assert(loud > 0 && loud < LINES, `${loud} lines`);
  assert(dropped >= LINES - loud, `${dropped} dropped`); // lines of the worker are among them
  assert(lines.some(({ message }) => /^Stopped after /.test(message)), "it goes on");
});

test("A log file that is a named pipe without a reader is an error at once", async () => {
  await using fixture = await Fixture.open({ "loud.ts": LOUD });
  const path = join(fixture.folder, "log.pipe");
  await once(spawn("mkfifo", [path]), "exit");
  const program = fixture.start(["loud.ts", "--log-file", path]);
  assertEquals(await program.ended, 2);
  assertMatch(program.output, /^Cannot write the log to \S+log\.pipe: .*ENXIO.*\n$/);
});

/** A named pipe and what is read from it. */
class NamedPipe {
  readonly path: string;
  #descriptor = -1;

  private constructor(path: string) {
    this.path = path;
  }

  static async make(fixture: Fixture): Promise<NamedPipe> {
    const path = join(fixture.folder, "log.pipe");
    await once(spawn("mkfifo", [path]), "exit");
    return new NamedPipe(path);
  }

  open(): void {
    this.#descriptor = openSync(this.path, constants.O_RDONLY | constants.O_NONBLOCK);
  }

  /** Everything that is in the pipe. */
  read(): string {
    let text = "";
    const part = new Uint8Array(2 ** 16);
    try {
      for (let n = 1; n > 0;) {
        n = readSync(this.#descriptor, part);
        text += new TextDecoder().decode(part.subarray(0, n));
      }
    } catch (error) {
      assertEquals((error as { code?: string }).code, "EAGAIN");
    }
    return text;
  }

  close(): void {
    closeSync(this.#descriptor);
  }
}

test("LogOutput reports lines that it could not write, each one, and never joins two", async () => {
  await using fixture = await Fixture.open({});
  const pipe = await NamedPipe.make(fixture);
  pipe.open();
  const output = new LogOutput(pipe.path, (count) => `dropped ${count}\n`);
  output.write("one\n");
  assertEquals(pipe.read(), "one\n");
  pipe.close();
  for (let i = 0; i < 3; i++) output.write("lost\n"); // EPIPE, like ENOSPC of a full disk
  await output.flushed();
  pipe.open();
  output.write("two\n");
  assertEquals(pipe.read(), "dropped 3\ntwo\n");
  output.write(`${"x".repeat(2 ** 18)}\n`); // fills the pipe
  pipe.close();
  await output.flushed(); // what is left of the line is lost
  pipe.open();
  const begun = pipe.read();
  assert(/^x*$/.test(begun) && begun.length < 2 ** 18, begun.slice(-20));
  pipe.close();
  output.write("lost\n");
  pipe.open();
  output.write("three\n");
  assertEquals(pipe.read(), "\ndropped 2\nthree\n");
  pipe.close();
  output.write("lost\n");
  assertEquals(output.close(), 1);
});
