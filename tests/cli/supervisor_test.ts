import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { assertEquals } from "@std/assert";
import { deadline } from "@std/async";
import { type Arguments, parseArguments } from "../../cli/arguments.ts";
import { KILLED, OK } from "../../cli/exit_codes.ts";
import type { LogLine } from "../../cli/log_line.ts";
import type { LogWriter } from "../../cli/log_writer.ts";
import { Supervisor } from "../../cli/supervisor.ts";
import { test } from "../support/test.ts";
import { eventually, kill } from "./fixture.ts";

const SIGNALS = ["SIGTERM", "SIGINT", "SIGHUP", "SIGUSR2", "SIGINFO"] as const;
/** Milliseconds that tell what hangs from what takes its time on a busy machine. */
const HANGS = 30_000;

/** Has a child tell that it works. */
const WORKS = `echo '{"type":"ready","text":"working","forks":0}' >&3`;

/** A supervisor in this process. Its children note their process ids, and sleep. */
class SupervisorFixture implements AsyncDisposable {
  readonly supervisor: Supervisor;
  readonly lines: string[] = [];
  /** The exit code. */
  readonly ended: Promise<number>;
  readonly #folder: string;
  readonly #before = SIGNALS.map((signal) => new Set(process.listeners(signal)));

  private constructor(folder: string, processes: number, before: string) {
    this.#folder = folder;
    const args = parseArguments(
      ["actors.ts", "--processes", `${processes}`, "--watch", folder], // nothing watches it here
    ) as Arguments;
    const command = [
      "/bin/sh",
      "-c",
      `pids="${folder}/pids"; echo $$ >> "$pids"; ${before}; exec sleep 600`,
    ];
    const log = {
      write: ({ text }: LogLine) => void this.lines.push(text),
      writePrinted() {},
      reopen() {},
    } as unknown as LogWriter;
    this.supervisor = new Supervisor(args, command, log);
    this.ended = this.supervisor.run();
  }

  /** Starts one, and waits for its children, which run `before` before they sleep. */
  static async open(processes: number, before = ":"): Promise<SupervisorFixture> {
    const folder = await mkdtemp(join(tmpdir(), "dramatiq-"));
    const fixture = new SupervisorFixture(folder, processes, before);
    await fixture.started(processes);
    return fixture;
  }

  /** Process ids of all children so far. */
  async pids(): Promise<number[]> {
    const text = await readFile(join(this.#folder, "pids"), "utf8").catch(() => "");
    return text.split("\n").slice(0, -1).map(Number);
  }

  /** Waits until so many children have started. */
  async started(count: number): Promise<void> {
    await eventually(`start ${count} children`, async () => (await this.pids()).length >= count);
  }

  /** Does as if this process got a signal. */
  signal(name: "SIGTERM" | "SIGINT"): void {
    process.emit(name, name);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const [i, signal] of SIGNALS.entries()) {
      for (const listener of process.listeners(signal)) {
        if (!this.#before[i]!.has(listener)) process.off(signal, listener);
      }
    }
    for (const pid of await this.pids()) kill(pid);
    await rm(this.#folder, { recursive: true });
  }
}

test("Supervisor takes two signals of the same keystroke for one", async () => {
  await using fixture = await SupervisorFixture.open(1);
  fixture.signal("SIGINT");
  fixture.signal("SIGINT"); // a terminal and what started the program may both send it
  assertEquals(await deadline(fixture.ended, HANGS), OK);
  assertEquals(fixture.lines.filter((line) => line.startsWith("Killing")), []);
});

test("Supervisor kills at a signal that comes later", async () => {
  await using fixture = await SupervisorFixture.open(1);
  const { now } = performance;
  try {
    fixture.signal("SIGINT");
    performance.now = () => now.call(performance) + 201;
    fixture.signal("SIGINT");
  } finally {
    performance.now = now;
  }
  assertEquals(await deadline(fixture.ended, HANGS), KILLED);
});

test("Supervisor.reload leaves the other workers as they are when the first one does not start", async () => {
  await using fixture = await SupervisorFixture.open(2);
  const observed: string[] = [];
  fixture.supervisor.observer = {
    workerReady: () => observed.push("ready"),
    working: () => observed.push("working"),
    reloading: () => observed.push("reloading"),
    stopping: () => observed.push("stopping"),
  };
  const reloading = fixture.supervisor.reload("a test");
  await fixture.started(3);
  kill((await fixture.pids())[2]!);
  await deadline(reloading, HANGS); // with others it would wait for those
  assertEquals((await fixture.pids()).length, 3);
  fixture.signal("SIGTERM");
  await deadline(fixture.ended, HANGS);
  assertEquals(observed, ["reloading", "working", "stopping"]);
});

test("Supervisor stops once if no process is running, and ignores later signals", async () => {
  const diesAgain = '[ "$(wc -l < "$pids")" -gt 2 ] && exit 1';
  await using fixture = await SupervisorFixture.open(2, `${WORKS}; ${diesAgain}`);
  const { supervisor, lines } = fixture;
  await eventually("work", () => lines.filter((line) => line === "working").length === 2);
  for (const pid of await fixture.pids()) kill(pid);
  // Both are to be restarted, or the supervisor has given up.
  await eventually("have no process", () => supervisor.children.length === 0);
  fixture.signal("SIGTERM");
  assertEquals(await deadline(fixture.ended, HANGS), OK);
  const { now } = performance;
  try {
    performance.now = () => now.call(performance) + 201;
    fixture.signal("SIGTERM");
  } finally {
    performance.now = now;
  }
  const after = fixture.lines.slice(fixture.lines.findIndex((line) => line.startsWith("Stopping")));
  assertEquals(after.map((line) => line.split(" ")[0]), ["Stopping", "Stopped"]);
});
