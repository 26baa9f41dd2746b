// Actors that run at times of the day or at intervals: one message per tick in the whole fleet.
// Run: deno run -A examples/scheduling.ts
// Prints: tick 1 | tick 2 | tick 3
import process from "node:process";
import { actor, brokerFromUrl, setBroker, Worker } from "@dq/dramatiq";

const broker = brokerFromUrl(process.env["DRAMATIQ_BROKER_URL"] ?? "stub:");
setBroker(broker);

const done = Promise.withResolvers<void>();
let ticks = 0;

actor(function poll() {
  if (ticks < 3) console.log(`tick ${++ticks}`);
  if (ticks === 3) done.resolve();
}, { every: 200 }); // or { minutes: 10 }

actor(function report(_region: string) {}, {
  cron: [{ name: "eu", pattern: "0 7 * * MON-FRI", timeZone: "Europe/Berlin", args: ["eu"] }],
});

const worker = new Worker(broker); // workers send the messages; there is no scheduler process
await worker.start();
await done.promise;
await worker.stop();
await broker.close();
