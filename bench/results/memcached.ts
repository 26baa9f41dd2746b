import { Buffer } from "node:buffer";
import memjs from "memjs";
import { MemcachedResultBackend } from "@dq/dramatiq";
import { startOwnMemcached } from "../../tests/support/servers/memcached.ts";
import type { Budget } from "./budgets.ts";
import { Crowd, newOwner, type Owner } from "./crowd.ts";
import { measureLatencies } from "./latency.ts";
import type { ResultsBenchOptions } from "./redis.ts";

const TTL = 600_000;
/** Milliseconds between two looks at ten thousand keys. */
const LONGEST_PAUSE = 1_000;

/**
 * Measures results on memcached, and prints it. It tells nobody of changes, so that
 * there is no budget for those who wait.
 */
export async function measureMemcached(
  { waiters, samples }: ResultsBenchOptions,
): Promise<Budget[]> {
  await using server = await startOwnMemcached();
  const servers = server.address;
  const bare = memjs.Client.create(servers);
  const storing = new MemcachedResultBackend({ servers });
  const value = Buffer.from("42");
  const expires = TTL / 1_000;
  const storeOurs = (owner: Owner) => storing.storeResult(owner, 42, TTL);

  const there = newOwner();
  await storeOurs(there);
  const thereKey = storing.buildMessageKey(there);
  await measureLatencies("memcached, one after the other, ms", [
    { name: "store", run: () => storeOurs(newOwner()) },
    {
      name: "store: bare set",
      run: async () => void await bare.set(newOwner().messageId, value, { expires }),
    },
    { name: "get", run: async () => void await storing.getResult(there) },
    { name: "get: bare get", run: async () => void await bare.get(thereKey) },
  ], samples);

  for (const size of [1, waiters]) {
    const crowd = new Crowd(new MemcachedResultBackend({ servers }), size);
    await measureLatencies(
      `memcached, from store to who waits, ${size} waiting, ms`,
      [{ name: "stored by another process", run: () => crowd.tell(storeOurs, LONGEST_PAUSE) }],
      Math.ceil(samples / 20),
    );
    await crowd.end();
  }
  await storing.close();
  bare.close();
  return [];
}
