/**
 * Compares a worker on a large SQLite file with one on a small file: 10,000 messages of a file that
 * holds only them, and 10,000 of one with a million ready and a million delayed ones, each worked in a process
 * of its own.
 *
 *     deno run -A bench/sqlite_size.ts [ready and delayed messages]
 *     bun bench/sqlite_size.ts
 *     node bench/sqlite_size.ts
 *
 * @module
 */
import { execFile } from "node:child_process";
import { mkdtemp, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { Message, SqliteBroker } from "../mod.ts";
import { runtimeVersion } from "./measure.ts";

const large = Number(process.argv[2] ?? 1_000_000);
const ROUNDS = 5;
const BATCH = 1_000;
const HOUR = 3_600_000;
const WORKED = 10_000;
const WORKER = fileURLToPath(new URL("sqlite/size_worker.ts", import.meta.url));
const RUN = "Deno" in globalThis ? ["run", "-A"] : [];
const folder = await mkdtemp(join(tmpdir(), "dramatiq-bench-"));

/** Output of `sqlite/size_worker.ts`. */
interface Result {
  opening: number;
  rate: number;
  growth: number;
}

async function fill(path: string, ready: number, delayed: number): Promise<void> {
  await using broker = new SqliteBroker({ path });
  broker.declareQueue("default");
  const message = () => new Message({ queueName: "default", actorName: "note", args: [1, "two"] });
  const batch = () => Array.from({ length: BATCH }, message);
  for (let sent = 0; sent < ready; sent += BATCH) await broker.enqueueMany(batch());
  for (let sent = 0; sent < delayed; sent += BATCH) {
    await broker.enqueueMany(batch(), { delay: HOUR });
  }
}

async function work(path: string): Promise<Result> {
  const { stdout } = await promisify(execFile)(process.execPath, [
    ...RUN,
    WORKER,
    path,
    `${WORKED}`,
  ]);
  return JSON.parse(stdout);
}

const small = join(folder, "small.db");
const big = join(folder, "big.db");
await fill(small, WORKED * ROUNDS, 0);
await fill(big, large, large);
console.log(`${runtimeVersion()}, ${((await stat(big)).size / 1e6).toFixed(0)} MB\n`);
const results: [Result, Result][] = [];
for (let round = 0; round < ROUNDS; round++) results.push([await work(small), await work(big)]);
const best = (at: 0 | 1) => Math.max(...results.map((result) => result[at].rate));
const most = (at: 0 | 1, of: "opening" | "growth") =>
  Math.max(...results.map((result) => result[at][of]));
for (const at of [0, 1] as const) {
  console.log(
    `${at === 0 ? "small" : "large"}: ${best(at).toFixed(0)}k messages a second of processor ` +
      `time, opened in ${most(at, "opening").toFixed(1)} ms at most, ` +
      `memory grows by ${most(at, "growth").toFixed(1)} MB at most`,
  );
}
console.log(`large / small: ${(best(1) / best(0) * 100).toFixed(0)} %`);
await rm(folder, { recursive: true });
process.exit(0);
