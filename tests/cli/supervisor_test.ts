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

/** A supervisor in this process. Its children note their process ids, and sleep. */
class SupervisorFixture implements AsyncDisposable {
  readonly supervisor: Supervisor;
  readonly lines: string[] = [];
  /** The exit code. */
  readonly ended: Promise<number>;
  readonly #folder: string;
  readonly #before = SIGNALS.map((signal) => new Set(process.listeners(signal)));

  private constructor(folder: string, processes: number) {
    this.#folder = folder;
    const args = parseArguments(["actors.ts", "--processes", `${processes}`]) as Arguments;
    const command = ["/bin/sh", "-c", `echo $$ >> "${folder}/pids"; exec sleep 600`];
    const log = {
      write: ({ text }: LogLine) => void this.lines.push(text),
      writePrinted() {},
      reopen() {},
    } as unknown as LogWriter;
    this.supervisor = new Supervisor(args, command, log);
    this.ended = this.supervisor.run();
  }

  /** Starts one, and waits for its children. */
  static async open(processes: number): Promise<SupervisorFixture> {
    const folder = await mkdtemp(join(tmpdir(), "dramatiq-"));
    const fixture = new SupervisorFixture(folder, processes);
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
