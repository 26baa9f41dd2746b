/**
 * The idle worker of `bench/redis_idle.ts`. Prints a line when it has settled, and then its
 * processor time in percent of one core.
 *
 * @module
 */
import process from "node:process";
import { setTimeout as delay } from "node:timers/promises";
import { RedisBroker, Worker, type WorkerOptions } from "../../mod.ts";
import { declareActor } from "./actors.ts";

/** Setup of the worker. Travels as JSON. */
export interface IdleWork {
  readonly url: string;
  readonly concurrency: number;
  readonly queues: number;
  /** Threads for actors. @default {undefined} They run on the event loop of the worker. */
  readonly threads?: number;
  /** Workers on the same broker object. @default {1} */
  readonly workers?: number;
  /** Time of the measurement. */
  readonly seconds: number;
}

/** Milliseconds after which a worker with nothing to do has gone to sleep. */
const SETTLING = 3_000;

const { url, concurrency, queues, threads, workers = 1, seconds }: IdleWork = JSON.parse(
  process.argv[2]!,
);
const broker = new RedisBroker({ url });
const actors = Array.from({ length: queues }, (_, i) => declareActor(broker, `queue${i}`));
const options: WorkerOptions = threads === undefined ? { concurrency } : {
  executor: "thread",
  modules: [new URL("actors.ts", import.meta.url).href],
  brokerExport: "broker",
  threads,
  concurrency,
};
const all = Array.from({ length: workers }, () => new Worker(broker, options));
for (const worker of all) await worker.start();
for (const actor of actors) await actor.send();
await Promise.all(Array.from(broker.queues, (queueName) => broker.join(queueName)));
await delay(SETTLING);
console.log("settled");
const before = process.cpuUsage();
await delay(seconds * 1_000);
const { user, system } = process.cpuUsage(before);
console.log((user + system) / 10_000 / seconds);
await Promise.all(all.map((worker) => worker.stop()));
await broker.close();
process.exit(0);
