// Asynchronous actors: while one waits, others run, so many that wait need one thread only.
// Run: deno run -A examples/asynchronous.ts
// Prints: 100 messages, 50 at once
import process from "node:process";
import { setTimeout as sleep } from "node:timers/promises";
import {
  actor,
  brokerFromUrl,
  currentMessage,
  currentSignal,
  setBroker,
  Worker,
} from "@dq/dramatiq";

const broker = brokerFromUrl(process.env["DRAMATIQ_BROKER_URL"] ?? "stub:");
setBroker(broker);

const ids = new Set<string>();
let running = 0;
let most = 0;

const ask = actor(async function ask(_question: number) {
  most = Math.max(most, ++running);
  await sleep(100, undefined, { signal: currentSignal() }); // a server that answers slowly
  ids.add(currentMessage()!.messageId); // each actor still has its own message after waiting
  running -= 1;
});

await ask.sendMany(Array.from({ length: 100 }, (_, question) => [question]));

const worker = new Worker(broker, { concurrency: 50 });
await worker.start();
await broker.join("default");
await worker.stop();
await broker.close();
console.log(`${ids.size} messages, ${most} at once`);
