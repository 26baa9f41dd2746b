/**
 * Answers: what do reports of workers cost a message?
 *
 * Messages that do nothing, on the in-memory broker and on a Redis of its own, with reports and with
 * `report: false`, in turns: what else the machine does hits both. The first row is the counter that
 * every message passes, reported or not.
 *
 *     deno run -A bench/reports.ts [messages]
 *     bun run bench/reports.ts
 *     node bench/reports.ts
 *
 * @module
 */
import process from "node:process";
import {
  actor,
  type Broker,
  Message,
  MessageProxy,
  RedisBroker,
  StubBroker,
  Worker,
} from "../mod.ts";
import { startOwnRedis } from "../tests/support/servers/redis.ts";
import { ActorTotals } from "../worker/actor_totals.ts";
import { runtimeVersion } from "./measure.ts";

const MESSAGES = Number(process.argv[2] ?? 20_000);
const ROUNDS = 15;
const COUNTS = 5_000_000;

console.log(`${runtimeVersion()}, ${MESSAGES} messages a run, ${ROUNDS} runs of each in turns\n`);

const totals = new ActorTotals();
const proxy = new MessageProxy(new Message({ queueName: "default", actorName: "noop", args: [] }));
const startedAt = performance.now();
for (let i = 0; i < COUNTS; i++) totals.add(proxy, "done");
const nanoseconds = (performance.now() - startedAt) * 1e6 / COUNTS;
console.log(`count by actor: ${nanoseconds.toFixed(1)} ns a message; the budget is 20 ns\n`);

await compare("StubBroker", () => new StubBroker());
const server = await startOwnRedis();
try {
  await compare("RedisBroker", () => {
    return new RedisBroker({ url: server.url, namespace: `bench-${crypto.randomUUID()}` });
  });
} finally {
  await server.stop();
}

async function compare(name: string, open: () => Broker): Promise<void> {
  const sides = await Promise.all([true, false].map((report) => prepare(open(), report)));
  const times: number[][] = sides.map(() => []);
  for (let round = -3; round < ROUNDS; round++) {
    for (const [i, side] of sides.entries()) {
      const time = await side.run();
      if (round >= 0) times[i]!.push(time * 1_000 / MESSAGES);
    }
  }
  for (const side of sides) await side.stop();
  const [on, off] = times.map((some) => some.toSorted((a, b) => a - b));
  const median = (some: readonly number[]) => some[some.length >> 1]!;
  const show = (some: readonly number[]) =>
    `${median(some).toFixed(2)} µs (${some[0]!.toFixed(2)} to ${some.at(-1)!.toFixed(2)})`;
  const difference = (median(on!) / median(off!) - 1) * 100;
  console.log(
    `${name.padEnd(12)} with reports ${show(on!)}, without ${show(off!)}: ${
      difference.toFixed(1)
    } %`,
  );
}

async function prepare(broker: Broker, report: boolean) {
  let ran = 0;
  let wanted = 0;
  let isDone = () => {};
  const noop = actor(function noop(_n: number) {
    if (++ran === wanted) isDone();
    return Promise.resolve();
  }, { broker });
  const worker = new Worker(broker, { report });
  await worker.start();
  const calls = Array.from({ length: MESSAGES }, (_, i): [number] => [i]);
  return {
    async run(): Promise<number> {
      wanted += MESSAGES;
      const done = new Promise<void>((resolve) => isDone = resolve);
      const start = performance.now();
      await noop.sendMany(calls);
      await done;
      return performance.now() - start;
    },
    async stop(): Promise<void> {
      await worker.stop();
      await broker.close();
    },
  };
}
