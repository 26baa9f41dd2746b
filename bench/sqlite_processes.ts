/**
 * Several processes on one SQLite file: how soon a worker has a message of another process, what a
 * worker costs that has nothing to do, and whether four workers do as much as one.
 *
 *     deno run -A bench/sqlite_processes.ts [messages]
 *     bun bench/sqlite_processes.ts
 *     node bench/sqlite_processes.ts
 *
 * Beside the first figure it prints how late plain timers are: the machine may be busy. On Linux,
 * `chrt -f 10` before the command shows what is left when it is not.
 *
 * @module
 */
import { type ChildProcess, spawn } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { actor, SqliteBroker } from "../mod.ts";
import { runtimeVersion } from "./measure.ts";

const messages = Number(process.argv[2] ?? 40_000);
const SENDS = 300;
/** Milliseconds between two sends, on average, and of idleness. */
const GAP = 30;
const IDLE_TIME = 10_000;
const WORKER = fileURLToPath(new URL("sqlite/worker.ts", import.meta.url));
const RUN = "Deno" in globalThis ? ["run", "-A"] : [];
const folder = await mkdtemp(join(tmpdir(), "dramatiq-bench-"));
let files = 0;

/** A worker process: `ready` once it has begun, `result` what it printed. */
class WorkerProcess {
  readonly ready: Promise<void>;
  readonly result: Promise<string>;
  readonly #child: ChildProcess;

  constructor(path: string, kind: string, count: number) {
    this.#child = spawn(process.execPath, [...RUN, WORKER, path, kind, `${count}`], {
      stdio: ["pipe", "pipe", "inherit"],
    });
    let output = "";
    const ready = Promise.withResolvers<void>();
    this.ready = ready.promise;
    this.#child.stdout!.on("data", (text) => {
      output += text;
      if (output.includes("ready\n")) ready.resolve();
    });
    this.result = new Promise((resolve) =>
      this.#child.on("close", () => resolve(output.split("\n")[1] ?? ""))
    );
  }

  /** Lets it begin. */
  go(): void {
    this.#child.stdin!.write("\n");
  }
}

const at = (values: number[], share: number) =>
  values.toSorted((a, b) => a - b)[Math.floor(values.length * share)]!.toFixed(1);

async function measurePickUp(): Promise<void> {
  const path = join(folder, `${files++}.db`);
  await using broker = new SqliteBroker({ path });
  const note = actor((_sentAt: number) => {}, { broker, actorName: "note" });
  await broker.connect();
  const worker = new WorkerProcess(path, "latencies", SENDS);
  await worker.ready;
  const late: number[] = [];
  let isDone = false;
  worker.result.then(() => isDone = true);
  while (!isDone) {
    const [begun, wait] = [performance.now(), GAP * (0.5 + Math.random())];
    await new Promise((resolve) => setTimeout(resolve, wait));
    late.push(performance.now() - begun - wait);
    await note.send(performance.timeOrigin + performance.now());
  }
  const latencies: number[] = JSON.parse(await worker.result);
  console.log(
    `pick-up: p50 ${at(latencies, 0.5)} ms, p95 ${at(latencies, 0.95)} ms; ` +
      `timers are late by p50 ${at(late, 0.5)} ms, p95 ${at(late, 0.95)} ms`,
  );
}

async function measureIdle(): Promise<void> {
  const worker = new WorkerProcess(join(folder, `${files++}.db`), "idle", IDLE_TIME);
  console.log(`idle: ${(Number(await worker.result) * 100).toFixed(2)} % of a core`);
}

/** Result of one of several workers; times in milliseconds. */
interface ShareResult {
  ran: number;
  first: number | null;
  last: number;
  cpu: number;
  /** For how long its event loop was held up at most, and not counting waits for a core. */
  longest: number;
  own: number;
}

async function measureShares(count: number): Promise<void> {
  const path = join(folder, `${files++}.db`);
  await using broker = new SqliteBroker({ path });
  const note = actor((_sentAt: number) => {}, { broker, actorName: "note" });
  for (let sent = 0; sent < messages; sent += 500) {
    await broker.enqueueMany(Array.from({ length: 500 }, () => note.message(0)));
  }
  const workers = Array.from({ length: count }, () => new WorkerProcess(path, "share", 0));
  await Promise.all(workers.map(({ ready }) => ready));
  for (const worker of workers) worker.go();
  const results: ShareResult[] = await Promise.all(
    workers.map(async ({ result }) => JSON.parse(await result)),
  );
  const firsts = results.map(({ first }) => first ?? Infinity);
  const time = Math.max(...results.map(({ last }) => last)) - Math.min(...firsts);
  const longest = Math.max(...results.map(({ longest }) => longest));
  const own = Math.max(...results.map(({ own }) => own));
  const cpu = results.reduce((sum, one) => sum + one.cpu, 0);
  console.log(
    `${count} workers: ${(messages / time).toFixed(0)}k a second, ` +
      `${(cpu * 1_000 / messages).toFixed(1)} µs of processor time each, shares ` +
      results.map(({ ran }) => `${Math.round(ran / messages * 100)} %`).join(", ") +
      `; event loop held up for ${longest.toFixed(1)} ms at most, ` +
      `without waits for a core ${own.toFixed(1)} ms`,
  );
}

console.log(`${runtimeVersion()}\n`);
await measurePickUp();
await measureIdle();
for (const count of [1, 4, 1, 4]) await measureShares(count);
await rm(folder, { recursive: true });
process.exit(0);
