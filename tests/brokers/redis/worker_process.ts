/**
 * A worker whose actors never end, to be killed.
 *
 * @module
 */
import process from "node:process";
import { actor, RedisBroker, type RedisBrokerOptions, Worker } from "../../../mod.ts";

/** What the program is told. */
export interface WorkerProcessArguments {
  /** Of its broker. */
  readonly broker: Pick<RedisBrokerOptions, "url" | "namespace" | "heartbeatTimeout">;
  /** The queue. */
  readonly queueName: string;
}

const { broker: options, queueName }: WorkerProcessArguments = JSON.parse(process.argv[2]!);
const broker = new RedisBroker(options);
actor(() => new Promise(() => {}), { broker, queueName, actorName: "work" });
await new Worker(broker).start();
