// Results: the value that an actor returned, a failure, and a result that is not there yet.
// Run: deno run -A examples/results.ts
// Prints: ResultMissing | 6 / 3 = 2 | RangeError: cannot divide by 0
import process from "node:process";
import {
  actor,
  brokerFromUrl,
  ResultFailure,
  ResultMissing,
  Results,
  setBroker,
  StubResultBackend,
  Worker,
} from "@dq/dramatiq";

const broker = brokerFromUrl(process.env["DRAMATIQ_BROKER_URL"] ?? "stub:");
// On servers: new RedisResultBackend({ url }), for workers and for those who ask.
broker.addMiddleware(new Results({ backend: new StubResultBackend() }));
setBroker(broker);

const divide = actor(function divide(a: number, b: number) {
  if (b === 0) throw new RangeError("cannot divide by 0");
  return a / b;
}, { storeResults: true, resultTtl: 60_000, maxRetries: 0 });

const good = await divide.send(6, 3);
const bad = await divide.send(1, 0);
try {
  await good.getResult();
} catch (error) {
  if (!(error instanceof ResultMissing)) throw error;
  console.log(error.name);
}

const worker = new Worker(broker);
await worker.start();
const quotient = await good.getResult({ block: true, timeout: 10_000 }); // its type is number
console.log(`6 / 3 = ${quotient}`);
try {
  await bad.getResult({ block: true, timeout: 10_000 });
} catch (error) {
  if (!(error instanceof ResultFailure)) throw error;
  console.log(`${error.origExcType}: ${error.origExcMsg}`);
}
await worker.stop();
await broker.close();
