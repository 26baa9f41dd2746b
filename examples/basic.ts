// An actor, three messages, and a worker that runs them.
// Run: deno run -A examples/basic.ts
// Prints: Hello, Ada | Hello, Grace | Welcome back, Ada
import process from "node:process";
import { actor, brokerFromUrl, setBroker, Worker } from "@dq/dramatiq";

const broker = brokerFromUrl(process.env["DRAMATIQ_BROKER_URL"] ?? "stub:");
setBroker(broker);

const greet = actor(function greet(name: string, greeting = "Hello") {
  console.log(`${greeting}, ${name}`);
});

await greet.sendWithOptions({ args: ["Ada", "Welcome back"], delay: 500 }); // milliseconds
await greet.send("Ada");
await greet.send("Grace");

const worker = new Worker(broker);
await worker.start();
await broker.join("default"); // waits until the queue is empty
await worker.stop();
await broker.close();
