/**
 * Asserts that a pause outlives the process that paused, and applies to workers that replace killed
 * ones.
 *
 * @module
 */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { assert, assertEquals } from "@std/assert";
import { Control } from "@dq/dramatiq";
import { runtime } from "../../platform/runtime.ts";
import { withFolder } from "../support/folder.ts";
import { eventually } from "../support/servers/until.ts";
import { type MatrixAddress, openBroker, queuesOf } from "./cancel_matrix.ts";
import { declareActors } from "./pause_worker_process.ts";

const PROGRAM = fileURLToPath(new URL("pause_worker_process.ts", import.meta.url));
const MESSAGES = 200;

/** A line of the journal. */
interface Line {
  readonly actor: string;
  readonly pid: number;
  readonly rest: string;
}

/** Worker processes and their journal. */
class Fleet implements AsyncDisposable {
  readonly #address: MatrixAddress;
  readonly #journal: string;
  readonly #children: ChildProcess[] = [];

  constructor(address: MatrixAddress, folder: string) {
    this.#address = address;
    this.#journal = join(folder, "journal");
  }

  /** Starts a worker, and waits until it works. */
  async start(): Promise<ChildProcess> {
    const told = { address: this.#address, journal: this.#journal };
    const args = [...(runtime === "deno" ? ["run", "-A", "--no-check"] : []), PROGRAM];
    const child = spawn(process.execPath, [...args, JSON.stringify(told)], {
      stdio: ["pipe", "pipe", "inherit"],
    });
    this.#children.push(child);
    await once(child.stdout!, "data");
    return child;
  }

  async lines(actor: string): Promise<Line[]> {
    const text = await readFile(this.#journal, "utf8").catch(() => "");
    return text.split("\n").slice(0, -1).map((line) => {
      const [name = "", pid, ...rest] = line.split(" ");
      return { actor: name, pid: Number(pid), rest: rest.join(" ") };
    }).filter((line) => line.actor === actor);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#children.map(kill));
  }
}

async function kill(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  child.kill("SIGKILL");
  await once(child, "exit");
}

/** Runs two workers, one of which pauses a queue and is killed. */
export async function checkPauseCrash(
  open: (folder: string) => MatrixAddress,
): Promise<void> {
  await withFolder(async (folder) => {
    const address = open(folder);
    await using opened = openBroker(address);
    const { broker } = opened;
    const { own: paused } = queuesOf(address);
    const { hold, pass } = declareActors(broker, address);
    await using fleet = new Fleet(address, folder);
    const [pauser, other] = await Promise.all([fleet.start(), fleet.start()]);
    await hold.sendMany(Array.from({ length: MESSAGES }, (_, n) => [n]));
    await eventually("run some messages", async () => (await fleet.lines("hold")).length > 10);
    pauser.stdin!.write("pause\n");
    await once(pauser.stdout!, "data");
    await kill(pauser);
    const successor = await fleet.start();
    // Both run messages of the other queue, and report the pause.
    const resting = async () => {
      await pass.send();
      const know = (await fleet.lines("pass")).filter(({ rest }) => rest === paused);
      return [other, successor].every(({ pid }) => know.some((line) => line.pid === pid));
    };
    await eventually("hear of the pause", resting);
    const ended = async () => new Set((await fleet.lines("hold")).map(({ rest }) => rest));
    await eventually("have all that is left back on its queue", async () => {
      const { ready } = await (broker as unknown as {
        getQueueMessageCounts(name: string): Promise<{ ready: number }>;
      }).getQueueMessageCounts(paused);
      return ready >= MESSAGES - (await ended()).size;
    });
    const before = await fleet.lines("hold");
    assert(before.length < MESSAGES, "all ran before the pause");
    const passed = (await fleet.lines("pass")).length;
    for (let i = 0; i < 10; i++) await pass.send();
    await eventually("go on", async () => (await fleet.lines("pass")).length >= passed + 10);
    assertEquals(await fleet.lines("hold"), before);
    const control = new Control(broker);
    assertEquals((await control.paused()).map(({ queue }) => queue), [paused]);
    assertEquals(await control.resume({ queue: paused }), true);
    await eventually("run all that was left", async () => (await ended()).size === MESSAGES);
    await broker.join(paused, { timeout: 60_000 });
    // Only messages that the killed worker had not acknowledged may have run twice.
    const runs = await fleet.lines("hold");
    const again = runs.filter(({ rest }, i) => runs.findIndex((one) => one.rest === rest) < i);
    const first = again.map(({ rest }) => runs.find((one) => one.rest === rest)!.pid);
    assertEquals(first.filter((pid) => pid !== pauser.pid), []);
  });
}
