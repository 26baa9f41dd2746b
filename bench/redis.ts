/**
 * Answers: how fast is it with Redis, beside other libraries and a loop that uses the client alone?
 *
 * Starts a Redis of its own (nothing is written to disk) and, where a latency is asked
 * for, a proxy that makes each round trip longer by so much. Each row of a table runs in a
 * process of its own, of this runtime, one at a time: first without the clock, for a second
 * or more, so that the compilers have seen it. All rows are run in turns, some times; the
 * median counts. The column "CPU" is the processor time of that process, "server" that of Redis or
 * PostgreSQL (on Linux).
 *
 * - **bare** is ioredis and what a careful hand-written client would send: scripts for whole
 *   batches, one of HSET and RPUSH; one of LPOP, SADD and HMGET; one of SREM and HDEL, sent
 *   at the same time as the next fetch. Batches are as large as ours. It has no actors, no
 *   middleware, no retries, no recovery, and it does not wait for messages. Those that it
 *   sends are as long as ours, made before the clock starts and never looked at; the rows
 *   that say so make them, or read them, as JSON.
 * - **ours** has the default middleware and an asynchronous actor that does nothing. The
 *   prefetch is the default, twice the concurrency.
 * - **BullMQ** has an asynchronous processor that does nothing, and deletes what is done as
 *   the others do (`removeOnComplete`; to keep it, the default, takes as long). `addBulk`
 *   takes all messages in one call, or 1,000 each in calls at the same time.
 * - **bee-queue** has no events, and deletes what is done.
 * - **pg-boss** and **graphile-worker** use a PostgreSQL that writes nothing to disk in time either
 *   (`fsync=off`). pg-boss by `fetch` and `complete`, two at a time; graphile-worker with a local
 *   queue of 500 jobs that completes them in batches.
 *
 * Enqueue: until Redis has confirmed the last message; then all are read back and counted.
 * Process: from the start of a worker that is connected until Redis has confirmed that the
 * last message is done; each must have run exactly once, and none may be left. Another
 * process makes the backlog. Idle pick-up: from just before `send` to the start of the
 * actor, sender and worker on connections of their own in one process, 5 to 30 ms after the
 * message before. Commands: those that an idle worker sends, as MONITOR shows them, without
 * those that scripts call on the server.
 *
 * `--size` adds a text of so many bytes to the arguments of each message. Give fewer messages with it:
 * what fits into the memory of Redis and of a contestant. Calls for many take at most 8 MB.
 *
 *     npm install --omit=optional --prefix bench/peers
 *     deno run -A bench/redis.ts [--messages 100000] [--latencies 0,1,2] [--runs 3]
 *       [--rows serial,enqueue,process,pickup,idle] [--contestants bare,ours,bullmq,…]
 *       [--backlog] [--backlogs 10000,1000000] [--batch 1000] [--size 10000]
 *     bun run bench/redis.ts
 *     node bench/redis.ts
 *
 * @module
 */
import process from "node:process";
import type { ServerAddress } from "../tests/support/servers/exchange.ts";
import { startOwnRedis } from "../tests/support/servers/redis.ts";
import type { Findings } from "./contest/findings.ts";
import { summarize } from "./contest/table.ts";
import { runtimeVersion } from "./measure.ts";
import { compareBacklogs } from "./redis/backlog.ts";
import { type IdleResult, printBudgets } from "./redis/budgets.ts";
import { measureIdle, measurePickUp } from "./redis/idle.ts";
import { startLatencyProxy } from "./redis/latency_proxy.ts";
import { readOptions } from "./redis/options.ts";
import { measureRoundTrip } from "./redis/round_trip.ts";
import { startPostgres } from "./redis/postgres.ts";
import { listSections, ON_POSTGRES, type Row } from "./redis/rows.ts";
import { runContestant } from "./redis/run_contestant.ts";
import { printSection, type SectionResult } from "./redis/table.ts";

const options = readOptions();
const { messages, latencies, runs, parts, contestants, sendBatch, size } = options;
let isWell = true;

await using redis = await startOwnRedis();
const wantsPostgres = [...contestants].some((contestant) => ON_POSTGRES.has(contestant));
await using postgres = wantsPostgres ? await startPostgres() : undefined;
if (wantsPostgres && postgres === undefined) console.log("PostgreSQL is not installed: left out");
const ofSize = size === undefined ? "" : ` of ${size} bytes`;
const version = /redis_version:(\S+)/.exec(`${await redis.command("INFO", "server")}`)?.[1];
console.log(`${runtimeVersion()}, Redis ${version}, ${runs} runs, µs a message${ofSize}\n`);
for (const latency of latencies) {
  if (latency === 0) {
    await compare(redis, "Straight to Redis", 0);
  } else {
    await using proxy = await startLatencyProxy(redis, latency);
    await compare(proxy, `${latency} ms of added latency`, latency);
  }
}
if (options.backlog) isWell = await compareBacklogs(redis, options) && isWell;
if (!isWell) process.exitCode = 1;

async function compare(server: ServerAddress, title: string, latency: number): Promise<void> {
  const roundTrip = await measureRoundTrip(server);
  console.log(`${title} (a round trip takes ${roundTrip.toFixed(2)} ms)\n`);
  const sections = await measureSections(server, latency > 0);
  for (const section of sections) printSection(section);
  const idle: IdleResult = {
    ...parts.has("pickup") ? await pickUp(server, latency) : {},
    // The latency changes nothing about it.
    ...parts.has("idle") && latency === latencies[0] ? await measureIdle(server, options) : {},
  };
  printBudgets(sections, idle);
}

async function pickUp(server: ServerAddress, latency: number): Promise<IdleResult> {
  const median = await measurePickUp(server, options);
  return latency === 0 && median !== undefined ? { pickUp: median } : {};
}

/** Measures all rows in turns, so that what else the machine does meets all of them. */
async function measureSections(server: ServerAddress, isFar: boolean): Promise<SectionResult[]> {
  const sections = listSections(messages, isFar).filter(({ key }) => parts.has(key));
  const found = new Map<Row, Findings[]>();
  for (let run = 0; run < runs; run++) {
    for (const row of sections.flatMap(({ rows }) => rows)) {
      const ground = ON_POSTGRES.has(row.contestant) ? nearPostgres(isFar) : server;
      if (!contestants.has(row.contestant) || ground === undefined) continue;
      const serverPid = ground === postgres ? postgres?.pid : redis.pid;
      const assignment = { ...row.work, server: addressOf(ground), serverPid, sendBatch, size };
      const findings = await runContestant(row.contestant, assignment);
      if (findings.problem !== undefined) {
        isWell = false;
        console.log(`WRONG, ${row.name}: ${findings.problem}`);
      }
      found.set(row, [...found.get(row) ?? [], findings]);
    }
  }
  return sections.map((section) => ({
    section,
    results: section.rows.filter((row) => found.has(row))
      .map((row) => summarize(row, row.messages, found.get(row)!)),
  }));
}

/** No proxy stands before PostgreSQL. */
function nearPostgres(isFar: boolean): ServerAddress | undefined {
  return isFar ? undefined : postgres;
}

function addressOf({ host, port }: ServerAddress): ServerAddress {
  return { host, port };
}
