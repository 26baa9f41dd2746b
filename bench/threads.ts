/**
 * Do two threads do twice the work, and what does the way to a thread and back cost?
 *
 * First actors that compute: hashing in a loop, on one thread and on two. Then actors that
 * do nothing, on one thread:
 *
 * - a bare `postMessage` loop, which sends the decoded messages to a thread, as structured
 *   clones, and gets the results back, in batches as large as those of the executor;
 * - a bare echo of their texts, which nobody decodes;
 * - the executor alone, which decodes each there, runs its actor and tells the outcome;
 * - the whole worker on a backlog in memory, with hooks and acknowledgements, on a thread
 *   and on its own event loop.
 *
 * With as many at once as the default (8), and with 128.
 *
 *     deno run -A bench/threads.ts [messages]
 *     bun run bench/threads.ts
 *     node bench/threads.ts
 *
 * @module
 */
import process from "node:process";
import {
  Message,
  MessageProxy,
  StubBroker,
  ThreadExecutor,
  Worker,
  type WorkerOptions,
} from "../mod.ts";
import { measure, type Measurement, print, runtimeVersion } from "./measure.ts";
import { declareActors } from "./threads/actors.ts";
import { BareLoop } from "./threads/bare.ts";

const MESSAGES = Number(process.argv[2] ?? 50_000);
const HASHES = Math.max(MESSAGES / 100, 16);
/** About two milliseconds. */
const ROUNDS = 1_000_000;
const RUNS = 7;
const WANTED_SPEEDUP = 1.8;
const WANTED_SHARE = 0.7;

const realm = {
  modules: [new URL("./threads/actors.ts", import.meta.url).href],
  brokerExport: "broker",
};

console.log(`${runtimeVersion()}, ${MESSAGES} messages a run, ${RUNS} runs\n`);
console.log(`${"µs a message".padEnd(44)}   median  fastest`);

const one = await hashOn(1);
const two = await hashOn(2);
const share = await nothing(8);
await nothing(128);

const speedup = one.microseconds / two.microseconds;
console.log();
verdict(`2 threads do ${speedup.toFixed(2)} times what 1 does`, speedup, WANTED_SPEEDUP);
verdict(
  `a thread runs ${percent(share)} of a bare loop's messages, 8 at once`,
  share,
  WANTED_SHARE,
);
process.exit(process.exitCode ?? 0);

/** @returns The share of a bare loop's messages that the executor alone runs. */
async function nothing(window: number): Promise<number> {
  console.log(`nothing, ${window} at once`);
  const payloads = textsOf(declareActors(new StubBroker()).noop);
  const bare = await bareLoop("  bare loop", window, payloads.map((text) => JSON.parse(text)));
  const echo = await bareLoop("  bare echo of texts", window, payloads);
  const alone = await executorAlone(window);
  const threads = await wholeWorker("  worker with a thread", {
    executor: new ThreadExecutor({ ...realm, threads: 1, concurrency: window }),
  });
  const inline = await wholeWorker("  worker on its own event loop", { concurrency: window });
  const share = bare.microseconds / alone.microseconds;
  console.log(
    `  executor alone: ${percent(share)} of the bare loop, ` +
      `${percent(echo.microseconds / alone.microseconds)} of the echo; worker with a thread: ` +
      `${percent(bare.microseconds / threads.microseconds)} of the bare loop, ` +
      `${percent(inline.microseconds / threads.microseconds)} of inline`,
  );
  return share;
}

async function hashOn(count: number): Promise<Measurement> {
  const options = { executor: new ThreadExecutor({ ...realm, threads: count, concurrency: 2 }) };
  return await withWorker(options, async (broker, actors) => {
    const calls = Array.from({ length: HASHES }, (_, i): [number, number] => [i, ROUNDS]);
    return await row(`hashing, ${count} thread${count === 1 ? "" : "s"}`, HASHES, async () => {
      await actors.hash.sendMany(calls);
      await broker.join("default");
    });
  });
}

async function wholeWorker(name: string, options: WorkerOptions): Promise<Measurement> {
  return await withWorker(options, async (broker, actors) => {
    const calls = Array.from({ length: MESSAGES }, (_, i): [number, string] => [i, "hello"]);
    return await row(name, MESSAGES, async () => {
      await actors.noop.sendMany(calls);
      await broker.join("default");
    });
  });
}

async function withWorker(
  options: WorkerOptions,
  body: (broker: StubBroker, actors: ReturnType<typeof declareActors>) => Promise<Measurement>,
): Promise<Measurement> {
  const broker = new StubBroker();
  const actors = declareActors(broker);
  await using worker = new Worker(broker, options);
  await worker.start();
  return await body(broker, actors);
}

async function executorAlone(window: number): Promise<Measurement> {
  const broker = new StubBroker();
  const { noop } = declareActors(broker);
  const executor = new ThreadExecutor({ ...realm, threads: 1, concurrency: window });
  await executor.start(broker);
  const messages = textsOf(noop).map((text) => Message.decode(text));
  try {
    return await row("  executor alone, 1 thread", MESSAGES, () => {
      const { promise, resolve, reject } = Promise.withResolvers<void>();
      let begun = 0;
      let done = 0;
      const next = () => {
        const message = new MessageProxy(messages[begun++]!);
        executor.run({ message, actor: noop, succeed, fail: reject });
      };
      const succeed = () => {
        done += 1;
        if (begun < MESSAGES) next();
        else if (done === MESSAGES) resolve();
      };
      while (begun < window) next();
      return promise;
    });
  } finally {
    await executor.stop();
  }
}

async function bareLoop(
  name: string,
  window: number,
  payloads: readonly unknown[],
): Promise<Measurement> {
  const loop = new BareLoop(window);
  try {
    return await row(name, MESSAGES, () => loop.run(payloads));
  } finally {
    await loop.close();
  }
}

function textsOf(noop: ReturnType<typeof declareActors>["noop"]): string[] {
  return Array.from({ length: MESSAGES }, (_, i) => noop.message(i, "hello").encode() as string);
}

async function row(
  name: string,
  messages: number,
  run: () => Promise<void>,
): Promise<Measurement> {
  const measurement = await measure({ name, messages, run }, RUNS);
  print(measurement);
  return measurement;
}

function verdict(text: string, found: number, wanted: number): void {
  console.log(`${text}: ${found >= wanted ? "ok" : `NOT OK, ${wanted} is wanted`}`);
  if (found < wanted) process.exitCode = 1;
}

function percent(share: number): string {
  return `${(share * 100).toFixed(0)} %`;
}
