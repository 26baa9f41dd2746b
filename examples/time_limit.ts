// A time limit aborts the signal of the actor, which stops everything that it passes the signal to.
// Run: deno run -A examples/time_limit.ts
// Prints: waited for 10 ms | gave up: TimeLimitExceeded
import process from "node:process";
import { setTimeout as sleep } from "node:timers/promises";
import { actor, brokerFromUrl, currentSignal, setBroker, Worker } from "@dq/dramatiq";

const broker = brokerFromUrl(process.env["DRAMATIQ_BROKER_URL"] ?? "stub:");
setBroker(broker);

const wait = actor(async function wait(milliseconds: number) {
  const signal = currentSignal();
  try {
    await sleep(milliseconds, undefined, { signal });
    console.log(`waited for ${milliseconds} ms`);
  } catch {
    // Returning ends the message; to have it retried, let the error through.
    console.log(`gave up: ${signal.reason.name}`);
  }
}, { timeLimit: 1_000 });

await wait.send(10);
await wait.send(60_000);

// An actor that ignores its signal is killed a second later if it runs in a thread or process.
const worker = new Worker(broker);
await worker.start();
await broker.join("default");
await worker.stop();
await broker.close();
