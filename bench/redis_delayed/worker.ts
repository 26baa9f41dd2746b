/**
 * The worker of `bench/redis_delayed.ts`, a process of its own so that its memory can be told from
 * that of the rest. It does as it is told, line by line: `work <namespace>` starts a worker
 * there, after ending the one before; `idle` ends it; `clean` collects garbage; `report` says
 * what has run. It answers each of these with a line of JSON, and adds lines on its memory.
 * `expect <index> <eta>` is not answered: it sets a timer, in place of a message. It ends with its
 * input.
 *
 * @module
 */
import process from "node:process";
import { createInterface } from "node:readline";
import { actor, RedisBroker, Worker } from "../../mod.ts";

/** A line of the worker's output. */
export type WorkerLine =
  /** Memory that the process takes, in bytes, at that time in ms since the epoch. */
  | { readonly kind: "memory"; readonly at: number; readonly rss: number; readonly heap: number }
  /** Report of runs: the due ones, with the time at which each began, and how many others. */
  | { readonly kind: "report"; readonly due: [index: number, at: number][]; readonly later: number }
  /** A command was carried out. */
  | { readonly kind: "done" };

const MEMORY_INTERVAL = 100;
const url = process.argv[2]!;
const { gc, Bun } = globalThis as { gc?: () => void; Bun?: { gc(isForced: boolean): void } };

let current: { broker: RedisBroker; worker: Worker } | undefined;
let ranDue: [number, number][] = [];
let ranLater = 0;

setInterval(writeMemory, MEMORY_INTERVAL);
for await (const line of createInterface({ input: process.stdin })) {
  const [command, ...args] = line.split(" ");
  if (command === "expect") {
    expect(Number(args[0]), Number(args[1]));
    continue;
  }
  if (command === "work") await work(args[0]!);
  else if (command === "idle") await idle();
  else if (command === "clean") clean();
  if (command === "report") write({ kind: "report", due: ranDue, later: ranLater });
  else write({ kind: "done" });
}
process.exit();

async function work(namespace: string): Promise<void> {
  await idle();
  const broker = new RedisBroker({ url, namespace });
  actor(function due(index: number): void {
    ranDue.push([index, Date.now()]);
  }, { broker, queueName: "delayed" });
  actor(function later(_index: number): void {
    ranLater++;
  }, { broker, queueName: "delayed" });
  ranDue = [];
  ranLater = 0;
  const worker = new Worker(broker);
  current = { broker, worker };
  await worker.start();
}

async function idle(): Promise<void> {
  await current?.worker.stop();
  await current?.broker.close();
  current = undefined;
}

function expect(index: number, eta: number): void {
  setTimeout(() => ranDue.push([index, Date.now()]), eta - Date.now());
}

/** Collects garbage as well as this runtime lets us. */
function clean(): void {
  gc?.();
  Bun?.gc(true);
  writeMemory();
}

function writeMemory(): void {
  const { rss, heapUsed: heap } = process.memoryUsage();
  write({ kind: "memory", at: Date.now(), rss, heap });
}

function write(line: WorkerLine): void {
  process.stdout.write(`${JSON.stringify(line)}\n`);
}
