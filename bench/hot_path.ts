/**
 * What does the library itself cost a message, with no server and no work?
 *
 * Each row adds to the one before; the last is everything between `send` and the
 * acknowledgement, on the in-memory broker, with the default middleware.
 *
 *     deno run -A bench/hot_path.ts [messages]
 *     bun run bench/hot_path.ts
 *     node bench/hot_path.ts
 *
 * @module
 */
import process from "node:process";
import { actor, InlineExecutor, Message, StubBroker, Worker } from "../mod.ts";
import { WorkQueue } from "../worker/work_queue.ts";
import { measure, print, runtimeVersion } from "./measure.ts";

const MESSAGES = Number(process.argv[2] ?? 20_000);
/** What the design allows the framework alone: encode, decode, process, settle. */
const BUDGET = 4;

console.log(`${runtimeVersion()}, ${MESSAGES} messages a run, median of 9 runs\n`);

const broker = new StubBroker();
let runs = 0;
const noop = actor(async function noop(_n: number, _text: string) {
  runs += 1;
}, { broker });
const calls = Array.from({ length: MESSAGES }, (_, i): [number, string] => [i, "hello"]);
const encoded = Array.from({ length: MESSAGES }, (_, i) => noop.message(i, "hello").encode());
const messages = encoded.map((data) => Message.decode(data));

print(
  await measure({
    name: "encode",
    messages: MESSAGES,
    run: () => {
      for (let i = 0; i < MESSAGES; i++) noop.message(i, "hello").encode();
    },
  }),
);
print(
  await measure({
    name: "  of that, JSON.stringify of the same",
    messages: MESSAGES,
    run: () => {
      for (const message of messages) JSON.stringify(message.asDict());
    },
  }),
);
print(
  await measure({
    name: "decode",
    messages: MESSAGES,
    run: () => {
      for (const data of encoded) Message.decode(data);
    },
  }),
);
print(
  await measure({
    name: "  of that, bare JSON.parse",
    messages: MESSAGES,
    run: () => {
      for (const data of encoded) JSON.parse(data as string);
    },
  }),
);
print(
  await measure({
    name: "work queue: in and out",
    messages: MESSAGES,
    run: () => {
      const queue = new WorkQueue<Message>();
      for (const message of messages) queue.push(message, 0);
      while (queue.shift() !== undefined);
    },
  }),
);
print(
  await measure({
    name: "sendMany, receive, process, ack without a worker",
    messages: MESSAGES,
    run: consume,
  }),
);

const worker = new Worker(broker, { concurrency: 8 });
await worker.start();
const before = runs;
const endToEnd = await measure({
  name: "send, one by one, until all are done",
  messages: MESSAGES,
  run: sendAll,
});
const bulk = await measure({
  name: "sendMany, until all are done",
  messages: MESSAGES,
  run: sendMany,
});
const once = runs - before === MESSAGES * 24;
await worker.stop();

print(endToEnd);
print(bulk, `(budget ${BUDGET}, ${(bulk.microseconds / BUDGET * 100).toFixed(0)} % of it used)`);
console.log(`\nevery message ran exactly once: ${once ? "yes" : `NO: ${runs - before}`}`);
if (!once) process.exitCode = 1;

/** What a worker does, written out: hooks, actor, hooks, acknowledgement. */
async function consume(): Promise<void> {
  await noop.sendMany(calls);
  const consumer = broker.consume("default", { prefetch: 16 });
  const executor = new InlineExecutor();
  await executor.start(broker);
  for (let left = MESSAGES; left > 0;) {
    const batch = await consumer.receive(16);
    for (const message of batch) await processMessage(broker, executor, message, noop);
    await consumer.ack(batch);
    left -= batch.length;
  }
  await consumer.close();
}

async function sendAll(): Promise<void> {
  for (const call of calls) await noop.send(...call);
  await broker.join("default");
}

async function sendMany(): Promise<void> {
  await noop.sendMany(calls);
  await broker.join("default");
}
