/**
 * Three machines want to write the same report. Whoever comes first does; the others see
 * that somebody is at it, and leave.
 *
 *     deno run -A examples/limits/mutex.ts [redis://127.0.0.1:6379]
 *
 * Without a URL the "machines" are three calls in this process.
 *
 * @module
 */
import process from "node:process";
import {
  ConcurrentRateLimiter,
  RedisRateLimiterBackend,
  StubRateLimiterBackend,
} from "../../mod.ts";

const url = process.argv[2];
await using backend = url === undefined
  ? new StubRateLimiterBackend()
  : new RedisRateLimiterBackend({ url });

// Whoever holds the slot renews its lease. That of a machine that dies ends after half a minute.
const mutex = new ConcurrentRateLimiter(backend, "nightly-report", { limit: 1, leases: true });

async function writeReport(machine: string): Promise<void> {
  await using slot = await mutex.acquire({ raiseOnFailure: false });
  if (!slot.acquired) {
    console.log(`${machine}: somebody else is writing the report`);
    return;
  }
  await new Promise((resolve) => setTimeout(resolve, 50));
  console.log(`${machine}: wrote the report`);
}

await Promise.all(["ada", "grace", "edsger"].map(writeReport));
await writeReport("barbara"); // the mutex is free again
