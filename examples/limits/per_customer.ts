// A limit of three calls per customer in each fifth of a second; calls over the limit run later.
// Run: deno run -A examples/limits/per_customer.ts [redis://127.0.0.1:6379]
// Prints: ada: 7 calls | grace: 4 calls
import process from "node:process";
import {
  actor,
  BucketRateLimiter,
  RedisBroker,
  RedisRateLimiterBackend,
  Retry,
  setBroker,
  StubBroker,
  StubRateLimiterBackend,
  Worker,
} from "@dq/dramatiq";

const url = process.argv[2];
await using broker = url === undefined ? new StubBroker() : new RedisBroker({ url });
await using backend = url === undefined
  ? new StubRateLimiterBackend()
  : new RedisRateLimiterBackend({ url });
setBroker(broker);

const LIMIT = 3;
const BUCKET = 200;
const calls = new Map<string, number>();

const callApi = actor(async function callApi(customer: string) {
  const limiter = new BucketRateLimiter(backend, `api:${customer}`, {
    limit: LIMIT,
    bucket: BUCKET,
  });
  const { acquired } = await limiter.acquire({ raiseOnFailure: false });
  if (!acquired) throw new Retry("over the limit", { delay: BUCKET / 2 });
  calls.set(customer, (calls.get(customer) ?? 0) + 1);
}, { queueName: "api", maxRetries: 100 });

for (let i = 0; i < 7; i++) await callApi.send("ada");
for (let i = 0; i < 4; i++) await callApi.send("grace");

await using worker = new Worker(broker);
await worker.start();
await broker.join("api");

for (const [customer, count] of [...calls].toSorted()) console.log(`${customer}: ${count} calls`);
