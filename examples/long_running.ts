// A long job that cleans up and stops when its worker does, and runs again on the next worker.
// Run: deno run -A examples/long_running.ts
// Prints: rendering | removed half a film: Shutdown | rendering | done
import process from "node:process";
import { setTimeout as sleep } from "node:timers/promises";
import { actor, brokerFromUrl, currentSignal, setBroker, Worker } from "@dq/dramatiq";

const broker = brokerFromUrl(process.env["DRAMATIQ_BROKER_URL"] ?? "stub:");
setBroker(broker);

const begun = Promise.withResolvers<void>();

const render = actor(async function render() {
  const signal = currentSignal(); // aborts at the time limit, and here also when the worker stops
  console.log("rendering");
  begun.resolve();
  try {
    // Pass the signal to everything that waits. In a loop that computes, call signal.throwIfAborted().
    for (let frame = 0; frame < 5; frame++) await sleep(100, undefined, { signal });
    console.log("done");
  } catch (error) {
    console.log(`removed half a film: ${signal.reason.name}`);
    throw error; // so that the message is retried
  }
}, { notifyShutdown: true, timeLimit: 3_600_000, minBackoff: 50, maxBackoff: 50 });

await render.send();

const first = new Worker(broker);
await first.start();
await begun.promise;
await first.stop(); // what SIGTERM and Ctrl-C do on the command line

const second = new Worker(broker);
await second.start();
await broker.join("default");
await second.stop();
await broker.close();
