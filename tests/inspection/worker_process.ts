/**
 * Workers that have nothing to do, until they are killed. It prints a line once all of them work.
 *
 * @module
 */
import process from "node:process";
import { actor, type Broker, RedisBroker, SqliteBroker, Worker } from "@dq/dramatiq";

/** Arguments of the program, as JSON. */
export interface WorkerProcessArguments {
  /** URL of a Redis, or the path of an SQLite file. */
  readonly url?: string;
  readonly path?: string;
  readonly heartbeatTimeout: number;
  /** Number of brokers, each with a worker. @default {1} */
  readonly workers?: number;
}

const told: WorkerProcessArguments = JSON.parse(process.argv[2]!);
const { url, path, heartbeatTimeout, workers = 1 } = told;

function open(): Broker {
  return path === undefined
    ? new RedisBroker({ url: url!, heartbeatTimeout })
    : new SqliteBroker({ path, heartbeatTimeout, heartbeatInterval: heartbeatTimeout / 10 });
}

for (let i = 0; i < workers; i++) {
  const broker = open();
  actor(function idle() {}, { broker });
  await new Worker(broker, { concurrency: 8 }).start();
}
console.log("working");
