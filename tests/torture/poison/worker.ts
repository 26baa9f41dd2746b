/**
 * A worker of a fleet in which messages kill their workers. The environment tells what it serves.
 *
 * @module
 */
import process from "node:process";
import { Worker } from "../../../mod.ts";
import { broker, told } from "./actors.ts";

const { executor, concurrency } = told!;
const worker = new Worker(
  broker!,
  executor === "inline" ? { concurrency } : {
    executor,
    threads: 2,
    concurrency: Math.ceil(concurrency / 2),
    modules: [new URL("actors.ts", import.meta.url).href],
    brokerExport: "broker",
  },
);
process.once("SIGTERM", () => worker.stop().then(() => broker!.close()));
await worker.start();
