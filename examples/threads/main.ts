// Actors that compute, in two threads; on the command line, there is a thread for each core.
// Run: deno run -A examples/threads/main.ts
// Prints: primes: 1229, 2262, 3245 | 0 of 3 counted in this thread
import { group, Worker } from "@dq/dramatiq";
import { broker, calls, countPrimes } from "./actors.ts";

const worker = new Worker(broker, {
  executor: "thread",
  threads: 2,
  concurrency: 1, // messages at once in each
  modules: [new URL("./actors.ts", import.meta.url).href],
});
await worker.start();

const counts = group([10_000, 20_000, 30_000].map((below) => countPrimes.message(below)));
await counts.run();
const results = await Array.fromAsync(counts.getResults({ block: true, timeout: 30_000 }));
console.log(`primes: ${results.join(", ")}`);
console.log(`${calls} of 3 counted in this thread`);
await worker.stop();
await broker.close();
