// A mutex: three machines want to write the same report; one does, and the others leave.
// Run: deno run -A examples/limits/mutex.ts [redis://127.0.0.1:6379]
// Prints: grace: busy | edsger: busy | ada: wrote the report | barbara: wrote the report
import process from "node:process";
import {
  ConcurrentRateLimiter,
  RedisRateLimiterBackend,
  StubRateLimiterBackend,
} from "@dq/dramatiq";

const url = process.argv[2];
await using backend = url === undefined
  ? new StubRateLimiterBackend()
  : new RedisRateLimiterBackend({ url });

// Whoever holds the slot renews its lease. That of a machine that dies ends after half a minute.
const mutex = new ConcurrentRateLimiter(backend, "nightly-report", { limit: 1, leases: true });

async function writeReport(machine: string): Promise<void> {
  await using slot = await mutex.acquire({ raiseOnFailure: false });
  if (!slot.acquired) {
    console.log(`${machine}: busy`);
    return;
  }
  await new Promise((resolve) => setTimeout(resolve, 50));
  console.log(`${machine}: wrote the report`);
}

await Promise.all(["ada", "grace", "edsger"].map(writeReport));
await writeReport("barbara"); // the mutex is free again
