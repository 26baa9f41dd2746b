/**
 * Cost of the SQLite broker beside the same statements in a bare loop, in one run, the best of
 * several rounds that take turns.
 *
 *     deno run -A bench/sqlite.ts [messages] [rounds]
 *     bun bench/sqlite.ts
 *     node bench/sqlite.ts
 *
 * @module
 */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { actor, Message, SqliteBroker, Worker } from "../mod.ts";
import { runtimeVersion } from "./measure.ts";
import { Bare } from "./sqlite/bare.ts";

const messages = Number(process.argv[2] ?? 20_000);
const rounds = Number(process.argv[3] ?? 5);
const folder = await mkdtemp(join(tmpdir(), "dramatiq-bench-"));
let files = 0;
const newPath = () => join(folder, `${files++}.db`);

/** Messages a second of processor time. */
type Measurement = () => Promise<number>;

/** By the processor's time: the machine may be busy with other things. */
async function rate(run: () => unknown): Promise<number> {
  const begun = process.cpuUsage();
  await run();
  const { user, system } = process.cpuUsage(begun);
  return messages / (user + system) * 1e6;
}

async function bare(measure: (bare: Bare) => Promise<number>): Promise<number> {
  const database = new Bare(newPath());
  try {
    return await measure(database);
  } finally {
    database.close();
  }
}

const bareEnqueue = (batch: number): Measurement => () =>
  bare((database) => rate(() => database.enqueue(messages, batch)));

const bareWork = (batch: number): Measurement => () =>
  bare((database) => {
    database.enqueue(messages, 500);
    return rate(() => database.work(messages, batch));
  });

const message = () => new Message({ queueName: "default", actorName: "noop", args: [1, "two"] });

async function withBroker(measure: (broker: SqliteBroker) => Promise<number>): Promise<number> {
  await using broker = new SqliteBroker({ path: newPath() });
  broker.declareQueue("default");
  await broker.connect();
  return await measure(broker);
}

async function fill(broker: SqliteBroker): Promise<void> {
  for (let sent = 0; sent < messages; sent += 500) {
    await broker.enqueueMany(Array.from({ length: 500 }, message));
  }
}

const enqueueMany: Measurement = () =>
  withBroker((broker) =>
    rate(async () => {
      for (let sent = 0; sent < messages; sent += 200) {
        await broker.enqueueMany(Array.from({ length: 200 }, message));
      }
    })
  );

const concurrentEnqueue: Measurement = () =>
  withBroker((broker) =>
    rate(async () => {
      for (let sent = 0; sent < messages; sent += 200) {
        await Promise.all(Array.from({ length: 200 }, () => broker.enqueue(message())));
      }
    })
  );

const consume = (batch: number): Measurement => () =>
  withBroker(async (broker) => {
    await fill(broker);
    await using consumer = broker.consume("default", { prefetch: 2 * batch });
    return await rate(async () => {
      for (let done = 0; done < messages;) {
        const received = await consumer.receive(batch);
        done += received.length;
        void consumer.ack(received);
      }
    });
  });

const work = (concurrency: number): Measurement => () =>
  withBroker(async (broker) => {
    let ran = 0;
    const done = Promise.withResolvers<void>();
    actor(() => {
      if (++ran === messages) done.resolve();
    }, { broker, actorName: "noop" });
    await fill(broker);
    await using worker = new Worker(broker, { concurrency });
    return await rate(async () => {
      await worker.start();
      await done.promise;
    });
  });

const ROWS: readonly (readonly [name: string, ours: Measurement, bare: Measurement])[] = [
  ["enqueueMany of 200", enqueueMany, bareEnqueue(200)],
  ["200 enqueue at once", concurrentEnqueue, bareEnqueue(200)],
  ["consumer, 200 at a time", consume(200), bareWork(200)],
  ["consumer, 16 at a time", consume(16), bareWork(16)],
  ["worker, concurrency 8", work(8), bareWork(16)],
  ["worker, concurrency 100", work(100), bareWork(200)],
];

console.log(
  `${runtimeVersion()}, ${messages} messages, the best of ${rounds} rounds, a second of processor time\n`,
);
const best = ROWS.map(() => [0, 0]);
for (let round = 0; round < rounds; round++) {
  for (const [i, [, ours, limit]] of ROWS.entries()) {
    for (const [j, measure] of [ours, limit].entries()) {
      best[i]![j] = Math.max(best[i]![j]!, await measure());
    }
  }
}
const thousands = (value: number) => `${(value / 1_000).toFixed(1)}k`.padStart(9);
console.log(`${"".padEnd(26)}${"ours".padStart(9)}${"bare".padStart(9)}${"share".padStart(8)}`);
for (const [i, [name]] of ROWS.entries()) {
  const [ours, limit] = best[i] as [number, number];
  const share = `${Math.round(ours / limit * 100)} %`.padStart(8);
  console.log(`${name.padEnd(26)}${thousands(ours)}${thousands(limit)}${share}`);
}
await rm(folder, { recursive: true });
