import { Redis } from "ioredis";
import { RedisResultBackend } from "@dq/dramatiq";
import { startOwnRedis } from "../../tests/support/servers/redis.ts";
import { until } from "../../tests/support/servers/until.ts";
import type { Budget } from "./budgets.ts";
import { Crowd, newOwner, type Owner } from "./crowd.ts";
import { measureLatencies } from "./latency.ts";

const TTL = 600_000;
/** Seconds in which a crowd is watched that waits for nothing. */
const IDLE_SECONDS = 3;
/** Number of results that are stored at once. */
const BURST = 1_000;

/** Connections of those who do not wait. */
const OTHERS = 3;

/** Amount to measure. */
export interface ResultsBenchOptions {
  readonly waiters: number;
  readonly samples: number;
}

/**
 * Measures results on Redis, and prints it.
 *
 * @returns What is to be held.
 */
export async function measureRedis({ waiters, samples }: ResultsBenchOptions): Promise<Budget[]> {
  await using server = await startOwnRedis();
  const bare = new Redis(server.url);
  const blocking = new Redis(server.url);
  const storing = new RedisResultBackend({ url: server.url });
  const waiting = new RedisResultBackend({ url: server.url });

  /** As Python's dramatiq does it. */
  const storeBare = (key: string) =>
    bare.multi().del(key).lpush(key, "42").pexpire(key, TTL).exec();
  const storePython = (owner: Owner) => storeBare(storing.buildMessageKey(owner));
  const storeOurs = (owner: Owner) => storing.storeResult(owner, 42, TTL);
  const burst = () => Array.from({ length: BURST }, newOwner);

  const there = newOwner();
  await storeOurs(there);
  const thereKey = storing.buildMessageKey(there);

  await measureLatencies("Redis, one after the other, ms", [
    { name: "store", run: () => storeOurs(newOwner()) },
    { name: "store: bare MULTI", run: async () => void await storeBare(newOwner().messageId) },
    { name: "get", run: async () => void await storing.getResult(there) },
    { name: "get: bare LINDEX", run: async () => void await bare.lindex(thereKey, 0) },
  ], samples);

  await measureLatencies(`Redis, ${BURST} at once, ms each thousand`, [
    { name: "store", run: async () => void await Promise.all(burst().map(storeOurs)) },
    {
      name: "store: bare MULTI",
      run: async () => void await Promise.all(burst().map(storePython)),
    },
  ], Math.ceil(samples / 20));

  const one = new Crowd(new RedisResultBackend({ url: server.url }), 1);
  await measureLatencies("Redis, from store to who waits, one waiting, ms", [
    { name: "stored by us", run: () => one.tell(storeOurs) },
    { name: "stored as Python does", run: () => one.tell(storePython) },
    {
      name: "bare BRPOPLPUSH, a connection of its own",
      async run() {
        const key = newOwner().messageId;
        const told = blocking.brpoplpush(key, key, 0).then(() => performance.now());
        await bare.ping();
        const start = performance.now();
        await storeBare(key);
        return await told - start;
      },
    },
  ], samples);
  await one.end();

  const clients = async () => String(await bare.client("LIST")).trim().split("\n").length;
  // The bare ones and the one that stores; those of the crowd of one are still going.
  await until(async () => await clients() === OTHERS, { what: "see connections go" });
  const started = performance.now();
  const crowd = new Crowd(waiting, waiters);
  for (let time = 0; time < 10; time++) await crowd.tell(storePython);
  console.log(`${waiters} wait after ${(performance.now() - started).toFixed(0)} ms`);
  const commands = await commandsIn(bare, IDLE_SECONDS);
  console.log(`commands a second while they wait: ${commands.toFixed(1)}\n`);
  const [ours, python] = await measureLatencies(
    `Redis, from store to who waits, ${waiters} waiting, ms`,
    [
      { name: "stored by us", run: () => crowd.tell(storeOurs) },
      { name: "stored as Python does", run: () => crowd.tell(storePython) },
    ],
    samples,
  );
  const connections = await clients() - OTHERS;
  await crowd.end();
  await storing.close();
  for (const client of [bare, blocking]) client.disconnect();
  return [
    { what: `${waiters} wait, stored by us, p50`, found: ours!.p50, limit: 5, unit: " ms" },
    { what: `${waiters} wait, stored by Python, p50`, found: python!.p50, limit: 50, unit: " ms" },
    { what: `${waiters} wait, connections`, found: connections, limit: 2, unit: "" },
  ];
}

async function commandsIn(redis: Redis, seconds: number): Promise<number> {
  const processed = async () => {
    const stats = await redis.info("stats");
    return Number(/total_commands_processed:(\d+)/.exec(stats)![1]);
  };
  const before = await processed();
  await new Promise((resolve) => setTimeout(resolve, seconds * 1_000));
  return (await processed() - before - 1) / seconds; // the first look counts as one
}
