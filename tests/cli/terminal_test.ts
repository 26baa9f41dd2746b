/**
 * Output of a terminal: what it shows and sends, on a real one: `script` of util-linux opens it, shows what
 * the program writes, and types what it is given.
 *
 * @module
 */

import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import process from "node:process";
import { assert, assertEquals } from "@std/assert";
import { SqliteBroker } from "@dq/dramatiq";
import { skip, test } from "../support/test.ts";
import { eventually, Fixture, gone, isRunning, ROOT, RUN } from "./fixture.ts";

const canOpenTerminals = /util-linux/.test(
  spawnSync("script", ["--version"], { encoding: "utf8" }).stdout ?? "",
);
const onTerminals = canOpenTerminals
  ? test
  : (name: string) => skip(name, "there is no script of util-linux");

const SLOW = `
import { existsSync } from "node:fs";
import { actor, setBroker, StubBroker } from "@dq/dramatiq";
setBroker(new StubBroker());
const slow = actor(async function slow() {
  console.log("begun");
  while (!existsSync(import.meta.dirname + "/release")) await new Promise((r) => setTimeout(r, 10));
  console.log("finished");
});
await slow.send();
`;

/** The command line on a terminal of its own. */
class Terminal {
  output = "";
  readonly #script: ChildProcess;
  readonly ended: Promise<number | null>;

  constructor(fixture: Fixture, args: readonly string[]) {
    // In place of the shell, which would end by Ctrl-C as well.
    const command = ["exec", process.execPath, ...RUN, `${ROOT}/worker.ts`, ...args].join(" ");
    const { NO_COLOR: _, ...env } = process.env;
    this.#script = spawn("script", ["-q", "-e", "-c", command, "/dev/null"], {
      cwd: fixture.folder,
      env: { ...env, TERM: "xterm" },
    });
    this.#script.stdout!.setEncoding("utf8").on("data", (text: string) => this.output += text);
    this.ended = once(this.#script, "close").then(([code]) => code);
  }

  async shows(text: string): Promise<void> {
    await eventually(`see "${text}" on the terminal`, () => this.output.includes(text)).catch(
      (error) => {
        throw new Error(`${error.message}: ${this.output}`);
      },
    );
  }

  type(keys: string): void {
    this.#script.stdin!.write(keys);
  }

  /** Closes the terminal, as closing its window does. */
  close(): void {
    process.kill(this.#script.pid!, "SIGKILL");
  }
}

onTerminals("On a terminal the log is readable, and Ctrl-C stops well, as it says", async () => {
  await using fixture = await Fixture.open({ "slow.ts": SLOW });
  const terminal = new Terminal(fixture, ["slow.ts", "-t", "0"]);
  await terminal.shows("begun");
  await terminal.shows("Working on default");
  assert(terminal.output.includes("\x1b[32mINFO"), terminal.output);
  terminal.type("\x03");
  await terminal.shows(
    "Stopping after SIGINT: running actors may finish; a second signal kills them",
  );
  await fixture.write("release", "");
  assertEquals(await terminal.ended, 0);
  await terminal.shows("finished");
});

onTerminals("Workers end when their terminal is closed", async () => {
  await using fixture = await Fixture.open({ "slow.ts": SLOW });
  const terminal = new Terminal(fixture, ["slow.ts", "-t", "0"]);
  await terminal.shows("Working on default");
  const [, worker] = /worker-1\[(\d+)\]/.exec(terminal.output)!;
  assert(isRunning(Number(worker)));
  await fixture.write("release", "");
  terminal.close();
  await terminal.ended;
  await gone(Number(worker));
});

for (const [how, keys] of [["q", "q"], ["Ctrl-C", "\x03"]]) {
  onTerminals(`top gives the terminal back as it was after ${how}`, async () => {
    await using fixture = await Fixture.open();
    const path = join(fixture.folder, "tasks.db");
    await using broker = new SqliteBroker({ path });
    await broker.connect();
    const terminal = new Terminal(fixture, [
      "top",
      "--interval",
      "600",
      "--broker",
      `sqlite:${path}`,
    ]);
    await terminal.shows("q quits");
    await terminal.shows("\x1b[?2026l");
    terminal.type(keys!);
    assertEquals(await terminal.ended, 0);
    assert(terminal.output.endsWith("\x1b[?25h\x1b[?1049l"), JSON.stringify(terminal.output));
  });
}
