/**
 * Limiter operations a second on Redis, beside a loop that sends the same
 * scripts with the client alone? How soon do those who wait at a barrier go on?
 *
 * Starts a Redis of its own (nothing is written to disk). The rows that are compared run in turns
 * in this process, some times, after some turns without the clock; the median counts, also that
 * of the quotients of each turn, in which both met the same machine.
 *
 * - **bare** is ioredis and `EVALSHA`, the scripts of this library, arguments made beforehand.
 * - **ours** is `limiter.acquire()` and, where slots are given back, `slot.release()`.
 *
 * An operation is one script: a concurrent limiter's acquire and release are two. So many are
 * under way at the same time as the row says, all on one connection.
 *
 * Barrier: from just before the last party arrives until the last one of those who wait goes
 * on, parties and waiters on connections of their own in one process. Beside it stand as many
 * clients of ioredis, each of which blocks in `BRPOPLPUSH`, as Python's do, woken by an `RPUSH`.
 *
 *     deno run -A bench/rate_limits.ts [--operations 20000] [--runs 7] [--barriers 50]
 *     bun run bench/rate_limits.ts
 *     node bench/rate_limits.ts
 *
 * @module
 */
import { parseArgs } from "node:util";
import { Redis } from "ioredis";
import { Barrier } from "../rate_limits/barrier.ts";
import { BucketRateLimiter } from "../rate_limits/bucket.ts";
import { ConcurrentRateLimiter } from "../rate_limits/concurrent.ts";
import { RedisRateLimiterBackend as RedisBackend } from "../rate_limits/backends/redis.ts";
import { DECR, INCR, INCR_AND_SUM } from "../rate_limits/backends/redis_scripts.ts";
import { WindowRateLimiter } from "../rate_limits/window.ts";
import { startOwnRedis } from "../tests/support/servers/redis.ts";
import { runtimeVersion } from "./measure.ts";

/** The share of the bare loop's operations that a limiter has to reach. */
const BUDGET = 0.8;
/** So many that no acquire is refused. */
const LIMIT = 1_000_000_000;
const TTL = 900_000;
const WINDOW = 10;
/** Turns without the clock. */
const WARM_UP = 3;

/** One of two that are compared: does its operations once, and says how many scripts that was. */
type Round = () => Promise<number>;

/** A line of the table. */
interface Comparison {
  readonly name: string;
  /** Number of rounds that are under way at the same time. */
  readonly concurrency: number;
  readonly bare: Round;
  readonly ours: Round;
}

const { values } = parseArgs({
  options: {
    operations: { type: "string", default: "20000" },
    runs: { type: "string", default: "7" },
    barriers: { type: "string", default: "50" },
  },
});
const [operations, runs, barriers] = [values.operations, values.runs, values.barriers].map(Number);

await using redis = await startOwnRedis();
const version = /redis_version:(\S+)/.exec(`${await redis.command("INFO", "server")}`)?.[1];
console.log(`${runtimeVersion()}, Redis ${version}, median of ${runs} runs\n`);
await using backend = new RedisBackend({ url: redis.url });
const client = new Redis(redis.url);
await compareOperations();
await measureBarriers();
client.disconnect();

async function compareOperations(): Promise<void> {
  for (const { text } of [INCR, DECR, INCR_AND_SUM]) await client.script("LOAD", text);
  console.log("operations a second".padEnd(50) + "bare      ours   ours/bare");
  for (const comparison of listComparisons()) {
    const { name, concurrency, bare, ours } = comparison;
    const rates: { bare: number; ours: number; share: number }[] = [];
    for (let run = -WARM_UP; run < runs!; run++) {
      const bareRate = await rateOf(bare, concurrency);
      const oursRate = await rateOf(ours, concurrency);
      if (run < 0) continue;
      rates.push({ bare: bareRate, ours: oursRate, share: oursRate / bareRate });
    }
    const [bareRate, oursRate, share] = (["bare", "ours", "share"] as const).map((column) =>
      median(rates.map((row) => row[column]))
    ) as [number, number, number];
    const figures = [bareRate, oursRate].map((rate) => Math.round(rate).toString().padStart(10));
    const verdict = share >= BUDGET ? "" : `  below ${BUDGET * 100} %`;
    console.log(
      `${`${name}, ${concurrency} at a time`.padEnd(44)}${figures.join("")}` +
        `${`${Math.round(share * 100)} %`.padStart(12)}${verdict}`,
    );
  }
}

function listComparisons(): Comparison[] {
  const mutex = new ConcurrentRateLimiter(backend, "ours", { limit: LIMIT, ttl: TTL });
  const concurrent = {
    async bare() {
      await client.evalsha(INCR.sha, 1, "bare", 1, LIMIT, TTL);
      await client.evalsha(DECR.sha, 1, "bare", 1, 0, TTL);
      return 2;
    },
    async ours() {
      await (await mutex.acquire()).release();
      return 2;
    },
  };
  const limiter = new BucketRateLimiter(backend, "ours", { limit: LIMIT, bucket: TTL });
  const bucket = {
    async bare() {
      await client.evalsha(INCR.sha, 1, "bare@1700000000000", 1, LIMIT, TTL);
      return 1;
    },
    async ours() {
      await limiter.acquire();
      return 1;
    },
  };
  // As long as ours: what is sent is the same.
  const seconds = Array.from({ length: WINDOW + 1 }, (_, i) => `bare-w@${1_700_000_000 + i}`);
  const windowLimiter = new WindowRateLimiter(backend, "window", { limit: LIMIT, window: WINDOW });
  const window = {
    async bare() {
      const keys = [seconds[0]!, ...seconds];
      await client.evalsha(INCR_AND_SUM.sha, keys.length, ...keys, 1, LIMIT, WINDOW * 1_000);
      return 1;
    },
    async ours() {
      await windowLimiter.acquire();
      return 1;
    },
  };
  return [1, 100].flatMap((concurrency) => [
    { name: "concurrent", concurrency, ...concurrent },
    { name: "bucket", concurrency, ...bucket },
    { name: "window of 10 s", concurrency, ...window },
  ]);
}

/** Operations a second. */
async function rateOf(round: Round, concurrency: number): Promise<number> {
  // One at a time waits for the network only, and shows the same after a tenth.
  const wanted = concurrency === 1 ? operations! / 10 : operations!;
  let done = 0;
  const work = async () => {
    while (done < wanted) {
      const count = await round();
      done += count;
    }
  };
  const start = performance.now();
  await Promise.all(Array.from({ length: concurrency }, work));
  return done * 1_000 / (performance.now() - start);
}

async function measureBarriers(): Promise<void> {
  await using parties = new RedisBackend({ url: redis.url });
  console.log("\nbarrier: until all go on, in ms".padEnd(52) + "p50       p99");
  for (const waiters of [1, 100, 1_000]) {
    const times = await latencies(() => meet(parties, waiters));
    printTimes(`ours, ${waiters} waiting`, times);
    if (waiters > 100) continue; // a connection each
    const blocked = Array.from({ length: waiters }, () => new Redis(redis.url));
    const bareTimes = await latencies(() => meetBare(blocked));
    printTimes(`bare, ${waiters} waiting on as many connections`, bareTimes);
    for (const one of blocked) one.disconnect();
  }
}

async function meet(parties: RedisBackend, waiters: number): Promise<number> {
  const key = crypto.randomUUID();
  const barrier = new Barrier(backend, key);
  await barrier.create(waiters + 1);
  const waiting = Array.from({ length: waiters }, () => barrier.wait());
  await backend.wait(key, 10); // by then all wait
  const start = performance.now();
  await new Barrier(parties, key).wait();
  await Promise.all(waiting);
  return performance.now() - start;
}

async function meetBare(blocked: readonly Redis[]): Promise<number> {
  const list = crypto.randomUUID();
  const waiting = blocked.map((one) => one.brpoplpush(list, list, 10));
  await backend.wait(list, 10);
  const start = performance.now();
  await client.rpush(list, "x");
  await Promise.all(waiting);
  return performance.now() - start;
}

async function latencies(measureOne: () => Promise<number>): Promise<number[]> {
  const times: number[] = [];
  for (let i = -WARM_UP; i < barriers!; i++) {
    const time = await measureOne();
    if (i >= 0) times.push(time);
  }
  return times.toSorted((a, b) => a - b);
}

function printTimes(name: string, times: readonly number[]): void {
  const at = (share: number) =>
    times[Math.min(times.length - 1, Math.floor(times.length * share))]!;
  const figures = [0.5, 0.99].map((share) => at(share).toFixed(2).padStart(10));
  console.log(name.padEnd(44) + figures.join(""));
}

function median(numbers: readonly number[]): number {
  return numbers.toSorted((a, b) => a - b)[numbers.length >> 1]!;
}
