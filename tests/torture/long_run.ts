/**
 * Does a worker grow?
 *
 * Runs many messages through one process that sends and works, 5 % of them failing once, with
 * results on: two million in memory, 500,000 on Redis and 200,000 on RabbitMQ (results on Redis).
 * After a fifth of them for warming up, what is in use after a garbage collection must not grow with
 * the number of messages, nor may descriptors.
 *
 *     deno run -A tests/torture/long_run.ts [--only redis] [--scale 1]
 *     bun tests/torture/long_run.ts
 *     node tests/torture/long_run.ts
 *
 * @module
 */
import { readdirSync } from "node:fs";
import process from "node:process";
import { parseArgs } from "node:util";
import {
  actor,
  type Broker,
  RabbitmqBroker,
  RedisBroker,
  RedisResultBackend,
  type ResultBackend,
  Results,
  StubBroker,
  StubResultBackend,
  Worker,
} from "@dq/dramatiq";
import { runtimeVersion } from "../../bench/measure.ts";
import { startOwnRabbitmq } from "../support/servers/rabbitmq.ts";
import { startOwnRedis } from "../support/servers/redis.ts";
import { bytesInUse } from "./garbage.ts";

/** Messages that are sent at once. */
const BATCH = 1_000;
/** Points at which memory is looked at, in each run. */
const SAMPLES = 20;
/** Of them, those that come before anything counts. */
const WARM_UP = 4;
/** Bytes by which a message may add to what is in use: below what the least leak would take. */
const MAX_SLOPE = 8;
/** Milliseconds for which results are kept: they must not add up themselves. */
const RESULT_TTL = 1_000;
/** Descriptors that may come and go. */
const MAX_DESCRIPTORS = 3;

const { values } = parseArgs({
  options: { only: { type: "string" }, scale: { type: "string", default: "1" } },
});

interface Run {
  readonly name: string;
  readonly messages: number;
  open(redisUrl: string): Promise<[Broker, ResultBackend, () => Promise<void>]>;
}

const RUNS: readonly Run[] = [
  {
    name: "stub",
    messages: 2_000_000,
    open: () => Promise.resolve([new StubBroker(), new StubResultBackend(), async () => {}]),
  },
  {
    name: "redis",
    messages: 500_000,
    open: (url) =>
      Promise.resolve([new RedisBroker({ url }), new RedisResultBackend({ url }), async () => {}]),
  },
  {
    name: "rabbitmq",
    messages: 200_000,
    async open(url) {
      const server = await startOwnRabbitmq();
      const broker = new RabbitmqBroker({ url: server.url });
      return [broker, new RedisResultBackend({ url }), () => server.stop()];
    },
  },
];

console.log(`${runtimeVersion()}, 5 % of the messages fail once, results on`);
await using redis = await startOwnRedis();
for (const run of RUNS) {
  if (values.only !== undefined && values.only !== run.name) continue;
  await take(run, Math.round(run.messages * Number(values.scale)));
}

async function take({ name, open }: Run, messages: number): Promise<void> {
  const [broker, backend, stopServer] = await open(redis.url);
  broker.addMiddleware(new Results({ backend, storeResults: true, resultTtl: RESULT_TTL }));
  let ran = 0;
  const failedOnce = new Set<number>();
  let changed = () => {};
  const work = actor((n: number) => {
    if (n % 20 === 0 && !failedOnce.delete(n)) {
      failedOnce.add(n);
      throw new Error("the first attempt");
    }
    ran += 1;
    changed();
    return n;
  }, { actorName: "work", broker, minBackoff: 1, maxBackoff: 1 });
  await using worker = new Worker(broker, { concurrency: 32 });
  await worker.start();
  const samples: { bytes: number; descriptors: number; ran: number }[] = [];
  let sent = 0;
  const start = performance.now();
  for (let sample = 1; sample <= SAMPLES; sample++) {
    const goal = Math.round(messages * sample / SAMPLES);
    while (sent < goal) {
      const calls = Array.from(
        { length: Math.min(BATCH, goal - sent) },
        (): [number] => [sent++],
      );
      await work.sendMany(calls);
    }
    while (ran < sent) await new Promise<void>((resolve) => changed = resolve);
    await worker.join();
    await new Promise((resolve) => setTimeout(resolve, 1.5 * RESULT_TTL)); // results are gone
    samples.push({ bytes: bytesInUse(), descriptors: descriptors(), ran });
  }
  const seconds = (performance.now() - start) / 1_000;
  await worker.stop();
  await broker.close();
  await backend.close();
  await stopServer();
  report(name, messages, seconds, samples.slice(WARM_UP));
}

function report(
  name: string,
  messages: number,
  seconds: number,
  samples: readonly { bytes: number; descriptors: number; ran: number }[],
): void {
  const slope = slopeOf(samples.map(({ ran, bytes }) => [ran, bytes]));
  const counts = samples.map(({ descriptors }) => descriptors);
  const [least, most] = [Math.min(...counts), Math.max(...counts)];
  const megabytes = (bytes: number) => (bytes / 2 ** 20).toFixed(1);
  console.log(
    `${name}: ${messages} messages in ${seconds.toFixed(0)} s; in use ` +
      `${megabytes(samples[0]!.bytes)} MB after warming up, ` +
      `${megabytes(samples.at(-1)!.bytes)} MB in the end, ${slope.toFixed(2)} bytes a message; ` +
      `${least} to ${most} descriptors`,
  );
  if (slope <= MAX_SLOPE && most - least <= MAX_DESCRIPTORS) return;
  console.error(`Failed: ${name} grows`);
  process.exitCode = 1;
}

/** The slope of the line that is nearest to all points. */
function slopeOf(points: readonly (readonly [x: number, y: number])[]): number {
  const mean = (i: 0 | 1) => points.reduce((sum, point) => sum + point[i], 0) / points.length;
  const [x, y] = [mean(0), mean(1)];
  const covariance = points.reduce((sum, point) => sum + (point[0] - x) * (point[1] - y), 0);
  return covariance / points.reduce((sum, point) => sum + (point[0] - x) ** 2, 0);
}

function descriptors(): number {
  return readdirSync("/proc/self/fd").length;
}
