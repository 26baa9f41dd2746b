/**
 * A worker of `torture/periodic_torture.ts`. It fires, runs nothing, and ends with its standard input.
 *
 * @module
 */
import process from "node:process";
import { actor, RedisBroker, SqliteBroker, Worker } from "@dq/dramatiq";
import { type Clock, systemClock } from "../../platform/clock.ts";

/** Orders of a worker, as JSON in its first argument. */
export interface PeriodicWorkerArguments {
  /** Address of Redis; without it there is a file. */
  readonly url?: string;
  readonly namespace: string;
  readonly path: string;
  readonly queueName: string;
  readonly every: number;
  /** Milliseconds by which its clock is wrong. */
  readonly clockError: number;
}

const { url, namespace, path, queueName, every, clockError }: PeriodicWorkerArguments = JSON.parse(
  process.argv[2]!,
);
const clock: Clock = { ...systemClock, now: () => Date.now() + clockError };
const broker = url === undefined
  ? new SqliteBroker({ path })
  : new RedisBroker({ url, namespace, clock });
actor(() => {}, {
  broker,
  actorName: "tick",
  queueName,
  every: { interval: every, missed: "all", overlap: "allow" },
});
process.stdin.on("end", () => process.exit(0)).resume();
await new Worker(broker, { queues: [] }).start();
process.stdout.write("ready\n");
