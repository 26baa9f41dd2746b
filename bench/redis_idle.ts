/**
 * Answers: what does an idle worker cost, at which concurrency and with how many queues?
 *
 * Each row is a worker in a process of its own, on a Redis of its own that it shares with
 * nobody. It runs one message on each queue, and then has nothing to do. When it has settled,
 * the commands that it sends are counted for some seconds, as MONITOR shows them (those that
 * scripts call on the server are not counted), and the processor time that its process takes
 * meanwhile, in percent of one core. The budget is two commands a second, and besides what
 * comes once a minute: a look for dead letters that are too old.
 *
 *     deno run -A bench/redis_idle.ts [--seconds 10]
 *     bun run bench/redis_idle.ts
 *     node bench/redis_idle.ts
 *
 * @module
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import process from "node:process";
import { createInterface } from "node:readline";
import { parseArgs } from "node:util";
import { type RedisServer, startOwnRedis } from "../tests/support/servers/redis.ts";
import { commandOf } from "./contest/run_contestant.ts";
import { runtimeVersion } from "./measure.ts";
import { countCommands } from "./redis/command_count.ts";
import type { IdleWork } from "./redis_idle/worker.ts";

/** A worker, and what its environment says. */
interface Row extends Omit<IdleWork, "url" | "seconds"> {
  readonly name: string;
  readonly environment?: Readonly<Record<string, string>>;
}

/** Commands a second. */
const BUDGET = 2;
/** Commands that may fall into the seconds of any row. */
const ONCE_A_MINUTE = 4;
const CONCURRENCIES = [1, 8, 749, 750, 1_000, 5_000];
const PROGRAM = new URL("redis_idle/worker.ts", import.meta.url);

const rows: Row[] = [
  ...[1, 300].flatMap((queues) =>
    CONCURRENCIES.map((concurrency) => ({
      name: `concurrency ${concurrency}, ${queues} queue${queues === 1 ? "" : "s"}`,
      concurrency,
      queues,
    }))
  ),
  {
    name: "concurrency 8, dramatiq_queue_prefetch=1500",
    concurrency: 8,
    queues: 1,
    environment: { dramatiq_queue_prefetch: "1500" },
  },
  { name: "8 threads, each concurrency 100", concurrency: 100, threads: 8, queues: 1 },
  { name: "two workers on one broker, each 750", concurrency: 750, workers: 2, queues: 1 },
];

const { values } = parseArgs({ options: { seconds: { type: "string", default: "10" } } });
const seconds = Number(values.seconds);
console.log(`${runtimeVersion()}, ${seconds} s a row\n`);
console.log(`${"".padEnd(48)}commands/s   CPU %`);
for (const row of rows) {
  await using redis = await startOwnRedis();
  const { commands, cpu } = await measure(redis, row);
  const isWell = commands * seconds <= BUDGET * seconds + ONCE_A_MINUTE;
  if (!isWell) process.exitCode = 1;
  const columns = [commands.toFixed(1).padStart(10), cpu.toFixed(1).padStart(8)];
  console.log(`${row.name.padEnd(48)}${columns.join("")}${isWell ? "" : "   over the budget"}`);
}

async function measure(redis: RedisServer, row: Row): Promise<{ commands: number; cpu: number }> {
  const { name: _name, environment, ...work } = row;
  const assignment: IdleWork = { ...work, url: redis.url, seconds };
  const [program, ...args] = commandOf(PROGRAM, [JSON.stringify(assignment)]);
  const child = spawn(program, args, {
    stdio: ["ignore", "pipe", "inherit"],
    env: { ...process.env, ...environment },
  });
  const ended = once(child, "close");
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const settled = await lines.next();
  if (settled.done) throw new Error(`Cannot measure ${row.name}: the worker ended`);
  const counts = await countCommands(redis, seconds);
  const { value: cpu } = await lines.next();
  await ended;
  const total = Object.values(counts).reduce((sum, count) => sum + count, 0);
  return { commands: total / seconds, cpu: Number(cpu) };
}
