/**
 * Does a worker hold out while its actors throw, hang, exit and eat memory?
 *
 * Starts a Redis and a worker with two threads through the command line, keeps a backlog
 * of messages before it, and has some of them go wrong at their first attempt. In the end
 * every message must have run to its end once; throughput of the last quarter must be at
 * least 95 % of that of the second (the first is for warming up); and memory must not grow.
 *
 *     deno run -A bench/soak.ts [--minutes 10] [--executor thread]
 *     bun run bench/soak.ts
 *     node bench/soak.ts
 *
 * @module
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { startOwnRedis } from "../tests/support/servers/redis.ts";
import { runtimeVersion } from "./measure.ts";
import { residentBytes } from "./soak/memory.ts";

/** Messages that wait, at most. */
const BACKLOG = 2_000;
const WANTED_THROUGHPUT = 0.95;
/** Of the memory at the beginning, in the time of the soak. */
const ALLOWED_GROWTH = 0.1;

const { values } = parseArgs({
  options: {
    minutes: { type: "string", default: "10" },
    executor: { type: "string", default: "thread" },
  },
});
const seconds = Number(values.minutes) * 60;
const sampleSeconds = Math.min(5, seconds / 40);
console.log(`${runtimeVersion()}, ${values.minutes} minutes, executor ${values.executor}`);

await using redis = await startOwnRedis();
process.env["SOAK_REDIS"] = redis.url;
const { broker, ENDED, INCIDENTS, moody } = await import("./soak/actors.ts");
const root = fileURLToPath(new URL("..", import.meta.url));
const actors = fileURLToPath(new URL("./soak/actors.ts", import.meta.url));
const worker = spawn(process.execPath, [
  ...("Deno" in globalThis ? ["run", "-A"] : []),
  ...["worker.ts", `${actors}:broker`, "--processes", "1", "--threads", "2"],
  ...["--executor", values.executor, "--skip-logging"],
], { cwd: root, stdio: ["ignore", "ignore", "ignore"] });
const exited = once(worker, "exit");

interface Sample {
  readonly at: number;
  readonly ended: number;
  readonly bytes: number;
}

const samples: Sample[] = [];
let sent = 0;
const start = performance.now();
const elapsed = () => (performance.now() - start) / 1_000;
let nextSample = sampleSeconds;
while (elapsed() < seconds) {
  const ended = await endedCount();
  const missing = BACKLOG - (sent - ended);
  if (missing > 0) await moody.sendMany(Array.from({ length: missing }, () => [sent++]));
  if (elapsed() >= nextSample) {
    samples.push({ at: elapsed(), ended, bytes: await residentBytes(worker.pid!) });
    nextSample += sampleSeconds;
  }
  await new Promise((resolve) => setTimeout(resolve, 100));
}
const giveUpAt = elapsed() + 120;
while (await endedCount() < sent && elapsed() < giveUpAt) {
  await new Promise((resolve) => setTimeout(resolve, 100));
}
const lost = sent - await endedCount();
process.kill(worker.pid!, "SIGTERM");
const [code] = await exited;
await report();
await broker.close();
await redis.stop();
process.exit(process.exitCode ?? 0);

/** Number of messages that have run to their end. */
async function endedCount(): Promise<number> {
  // One member is the one that keeps the hashing from being optimized away.
  return Math.max(0, Number(await redis.command("SCARD", ENDED)) - 1);
}

async function report(): Promise<void> {
  const incidents = await redis.command("HGETALL", INCIDENTS);
  console.log(`went wrong on purpose: ${JSON.stringify(incidents)}`);
  const quarter = (n: number) =>
    samples.filter(({ at }) => at >= n * seconds / 4 && at < (n + 1) * seconds / 4);
  const rate = (n: number) => {
    const part = quarter(n);
    const [first, last] = [part[0]!, part.at(-1)!];
    return (last.ended - first.ended) / (last.at - first.at);
  };
  const megabytes = (n: number) => median(quarter(n).map(({ bytes }) => bytes)) / 2 ** 20;
  for (const n of [0, 1, 2, 3]) {
    console.log(
      `quarter ${n + 1}: ${rate(n).toFixed(0)} messages a second, ${megabytes(n).toFixed(0)} MB`,
    );
  }
  const slope = (megabytes(3) - megabytes(1)) / (seconds / 60 / 2);
  check(`${sent} sent, ${lost} lost`, lost === 0);
  check(
    `throughput ${(rate(3) / rate(1) * 100).toFixed(0)} %`,
    rate(3) / rate(1) >= WANTED_THROUGHPUT,
  );
  check(
    `memory ${slope >= 0 ? "+" : ""}${slope.toFixed(1)} MB a minute`,
    megabytes(3) <= megabytes(1) * (1 + ALLOWED_GROWTH),
  );
  check(`the worker ended with ${code}`, code === 0);
}

function check(text: string, isWell: boolean): void {
  console.log(`${text}: ${isWell ? "ok" : "NOT OK"}`);
  if (!isWell) process.exitCode = 1;
}

function median(numbers: readonly number[]): number {
  return numbers.toSorted((a, b) => a - b)[numbers.length >> 1] ?? NaN;
}
