/**
 * A worker process: runs as many messages as its argument says, then one that does
 * not end. Prints `ready` then, and its log all the time.
 *
 * @module
 */
import process from "node:process";
import { configure } from "@logtape/logtape";
import { actor, defaultMiddleware, Prometheus, StubBroker, Worker } from "@dq/dramatiq";

await configure({
  sinks: { stdout: ({ message, level }) => console.log(`${level}: ${message.join("")}`) },
  loggers: [
    { category: ["dramatiq"], lowestLevel: "info", sinks: ["stdout"] },
    { category: ["logtape", "meta"], lowestLevel: "warning", sinks: [] },
  ],
});

const broker = new StubBroker({ middleware: [new Prometheus(), ...defaultMiddleware()] });
const quick = actor(function quick() {}, { broker });
const endless = actor(function endless() {
  return new Promise<void>(() => {});
}, { broker });

await broker.emit("afterProcessBoot"); // as the command line does
const worker = new Worker(broker);
await worker.start();
await quick.sendMany(Array.from({ length: Number(process.argv[2]) }, () => []));
await broker.join("default");
await endless.send();
console.log("ready");

process.on("SIGTERM", async () => {
  await worker.stop(0);
  process.exit(0);
});
