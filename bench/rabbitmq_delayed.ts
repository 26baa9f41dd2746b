/**
 * Do delayed messages pile up in a worker, or hold up those that are due?
 *
 * Starts a RabbitMQ and, in a process of its own, a worker with the default settings. Then
 * sends 100,000 messages that are due in one to six hours, and evenly among them 500 that are
 * due in one to twenty seconds. Tells how long it took until RabbitMQ had all those far away on
 * the ladder and the worker none; how many the worker had in flight at the most; how late the
 * near ones began to run, from their eta; and by how much the worker's memory (RSS) grew at
 * the most, above that of the same worker after 2,000 messages. In the end all near ones must
 * have run exactly once and none of the others, which all must be there.
 *
 *     deno run -A bench/rabbitmq_delayed.ts [--messages 100000] [--near 500]
 *     bun bench/rabbitmq_delayed.ts
 *     node bench/rabbitmq_delayed.ts
 *
 * @module
 */
import process from "node:process";
import { parseArgs } from "node:util";
import { actor, RabbitmqBroker } from "../mod.ts";
import { isNote, isRung } from "../brokers/rabbitmq/rungs.ts";
import { startOwnRabbitmq } from "../tests/support/servers/rabbitmq.ts";
import { until } from "../tests/support/servers/until.ts";
import { runtimeVersion } from "./measure.ts";
import { WorkerProcess } from "./rabbitmq_delayed/worker_process.ts";

const SECOND = 1_000;
const HOUR = 3_600 * SECOND;
const LONGEST_NEAR = 20 * SECOND;
const WARM_UP = 2_000;
const BATCH = 500;
const TIMEOUT = 10 * 60 * SECOND;
/** Budget: what the design allows, in MB. */
const GROWTH = 50;

const { values } = parseArgs({
  options: {
    messages: { type: "string", default: "100000" },
    near: { type: "string", default: "500" },
  },
});
const messages = Number(values.messages);
const nearCount = Number(values.near);
const etas = new Map<number, number>();
let mostInFlight = 0;

await using rabbitmq = await startOwnRabbitmq();
await using rabbit = rabbitmq.openConsole();
await using broker = new RabbitmqBroker({ url: rabbitmq.url });
const options = { broker, queueName: "delayed" };
const far = actor((_index: number): void => {}, { ...options, actorName: "far" });
const near = actor((_index: number): void => {}, { ...options, actorName: "near" });
await using worker = new WorkerProcess(rabbitmq.url);
console.log(`${runtimeVersion()}, ${messages} far, ${nearCount} near\n`);

await sendFar(WARM_UP);
await untilOnLadder(WARM_UP);
worker.peak = 0;
await until(() => Promise.resolve(worker.peak > 0), { what: "hear of the worker's memory" });
const before = worker.rss;
mostInFlight = 0;

const start = performance.now();
for (let sent = 0; sent < messages; sent += BATCH) {
  await sendFar(Math.min(BATCH, messages - sent));
  const share = Math.min(1, (sent + BATCH) / messages);
  while (etas.size < Math.floor(share * nearCount)) await sendNear(etas.size);
  await countOnLadder();
}
const sendingTime = performance.now() - start;
await untilOnLadder(messages + WARM_UP);
const ladderTime = performance.now() - start;
await until(() => Promise.resolve(worker.near.size === nearCount), {
  what: "run what was due soon",
  timeout: TIMEOUT,
});
const { ready, delayed, dead } = await broker.getQueueMessageCounts("delayed");

const lateness = [...worker.near].map(([index, [at]]) => at! - etas.get(index)!)
  .toSorted((a, b) => a - b);
const at = (share: number) => lateness[Math.floor(lateness.length * share)]!;
const growth = (worker.peak - before) / 2 ** 20;
print("sent, in s", (sendingTime / SECOND).toFixed(1));
print("all on the ladder after, in s", (ladderTime / SECOND).toFixed(1));
print("in flight in the worker, at most", `${mostInFlight}`);
print("late, in ms: p50, p99", `${at(0.5)}, ${at(0.99)}`);
print("growth of the worker's memory, in MB", growth.toFixed(0));
console.log(`\n  at most ${GROWTH} MB: ${growth <= GROWTH ? "holds" : "MISSED"}`);

const twice = [...worker.near.values()].filter((runs) => runs.length > 1).length;
const early = lateness.filter((ms) => ms < 0).length;
const isRight = twice + early + worker.far + ready + dead === 0 && delayed === messages + WARM_UP;
if (!isRight) {
  process.exitCode = 1;
  console.log(
    `WRONG: ${twice} ran twice, ${early} early, ${worker.far} of those far away; there are ` +
      `${ready} ready, ${delayed} delayed, ${dead} dead`,
  );
}

async function sendFar(count: number): Promise<void> {
  const delay = HOUR + Math.random() * 5 * HOUR;
  await far.sendMany(Array.from({ length: count }, (_, i): [number] => [i]), { delay });
}

async function sendNear(index: number): Promise<void> {
  const delay = SECOND + Math.random() * (LONGEST_NEAR - SECOND);
  etas.set(index, NaN);
  const { options: { eta } } = await near.sendWithOptions({ args: [index], delay });
  etas.set(index, eta!);
}

/** Waits until so many are on the ladder. */
async function untilOnLadder(count: number): Promise<void> {
  await until(async () => await countOnLadder() >= count, {
    what: `have ${count} messages on the ladder`,
    timeout: TIMEOUT,
  });
}

/** Looks, too, at what the worker has. */
async function countOnLadder(): Promise<number> {
  let onLadder = 0;
  for (const [name, { ready, unacknowledged }] of await rabbit.counts()) {
    if (isRung(name) && !isNote(name)) onLadder += ready;
    else if (name.endsWith(".DQ")) mostInFlight = Math.max(mostInFlight, unacknowledged);
  }
  return onLadder;
}

function print(name: string, value: string): void {
  console.log(`  ${name.padEnd(44)}${value.padStart(12)}`);
}
