/**
 * Answers: what does the library itself cost a message, with no server and no work?
 *
 * The last rows are everything between `send` and the acknowledgement, on the
 * in-memory broker, with the default middleware and an asynchronous actor that does
 * nothing. A backlog in the memory of the process costs garbage collection on top, so
 * there is a row with a small one and a row with a large one.
 *
 *     deno run -A bench/hot_path.ts [messages]
 *     bun run bench/hot_path.ts
 *     node bench/hot_path.ts
 *
 * @module
 */
import process from "node:process";
import { actor, Message, StubBroker, Worker } from "../mod.ts";
import { WorkQueue } from "../worker/work_queue.ts";
import { measure, type Measurement, print, runtimeVersion } from "./measure.ts";

const MESSAGES = Number(process.argv[2] ?? 20_000);
const SMALL_BACKLOG = 1_000;
/** Budget: what the design allows the framework alone, in µs: encode, decode, process, settle. */
const BUDGET = 4;

console.log(`${runtimeVersion()}, ${MESSAGES} messages a run, 9 runs\n`);
console.log(`${"µs a message".padEnd(44)}   median  fastest`);

const broker = new StubBroker();
/** Result of an asynchronous actor that does nothing. */
const DONE = Promise.resolve();
let ran = 0;
let sent = 0;
const noop = actor(function noop(_n: number, _text: string): Promise<void> {
  ran += 1;
  return DONE;
}, { broker });
const calls = Array.from({ length: MESSAGES }, (_, i): [number, string] => [i, "hello"]);
const messages = calls.map((call) => noop.message(...call));
const dicts = messages.map((message) => message.asDict());
const encoded = messages.map((message) => message.encode());

await row("encode", () => {
  for (const message of messages) message.encode();
});
await row("  beside it: JSON.stringify", () => {
  for (const dict of dicts) JSON.stringify(dict);
});
await row("decode", () => {
  for (const data of encoded) Message.decode(data);
});
await row("  beside it: JSON.parse", () => {
  for (const data of encoded) JSON.parse(data as string);
});
await row("work queue, in and out", () => {
  const queue = new WorkQueue<Message>();
  for (const message of messages) queue.push(message, 0);
  while (queue.shift() !== undefined);
});

await using worker = new Worker(broker, { concurrency: 8 });
await worker.start();
await row("send to acknowledgement, one by one", async () => {
  for (const call of calls) await noop.send(...call);
  await done(calls.length);
});
await row(`send to acknowledgement, backlog of ${MESSAGES}`, async () => {
  await noop.sendMany(calls);
  await done(calls.length);
});
const spent = await row(`send to acknowledgement, backlog of ${SMALL_BACKLOG}`, async () => {
  for (let i = 0; i < MESSAGES; i += SMALL_BACKLOG) {
    const batch = calls.slice(i, i + SMALL_BACKLOG);
    await noop.sendMany(batch);
    await done(batch.length);
  }
});

const share = (time: number) => `${(time / BUDGET * 100).toFixed(0)} %`;
console.log(
  `\nof the budget of ${BUDGET} µs, with the small backlog: ` +
    `${share(spent.microseconds)} (median), ${share(spent.fastest)} (fastest)`,
);
console.log(`every message ran exactly once: ${ran === sent ? "yes" : `NO: ${ran} of ${sent}`}`);
if (ran !== sent) process.exitCode = 1;

async function row(name: string, run: () => void | Promise<void>): Promise<Measurement> {
  const measurement = await measure({ name, messages: MESSAGES, run });
  print(measurement);
  return measurement;
}

async function done(count: number): Promise<void> {
  sent += count;
  await broker.join("default");
}
