/**
 * A worker that is killed or stopped by a test. It prints the first argument of each message
 * that it starts.
 *
 * @module
 */
import process from "node:process";
import { actor, RedisBroker, type RedisBrokerOptions, Worker } from "../../../mod.ts";

/** Arguments of the program. */
export interface WorkerProcessArguments {
  /** Of its broker. */
  readonly broker: Pick<RedisBrokerOptions, "url" | "namespace" | "heartbeatTimeout">;
  /** The queue. */
  readonly queueName: string;
  /** Number of messages it runs at once. @default {8} */
  readonly concurrency?: number;
  /** Milliseconds that an actor takes. @default {Infinity} It never ends. */
  readonly actorTime?: number;
}

const told: WorkerProcessArguments = JSON.parse(process.argv[2]!);
const { broker: options, queueName, concurrency = 8, actorTime } = told;
const broker = new RedisBroker(options);
const work = async (n: unknown) => {
  console.log(`started ${n}`);
  await new Promise<void>((resolve) => {
    if (actorTime !== undefined) setTimeout(resolve, actorTime);
  });
};
actor(work, { broker, queueName, actorName: "work" });
await new Worker(broker, { concurrency }).start();
