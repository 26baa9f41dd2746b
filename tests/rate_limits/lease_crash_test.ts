import { spawn } from "node:child_process";
import { once } from "node:events";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { assert, assertEquals } from "@std/assert";
import {
  ConcurrentRateLimiter,
  MemcachedRateLimiterBackend,
  type RateLimiterBackend,
  RedisRateLimiterBackend,
} from "@dq/dramatiq";
import { runtime } from "../../platform/runtime.ts";
import type { BackendAddress } from "../conformance/rate_limiter_harness.ts";
import { testOwn } from "../servers/own.ts";
import { startOwnMemcached } from "../support/servers/memcached.ts";
import { startRedis } from "../support/servers/redis.ts";
import { eventually } from "../support/servers/until.ts";
import type { HolderAssignment } from "./lease_holder.ts";

const PROGRAM = fileURLToPath(new URL("lease_holder.ts", import.meta.url));
const LIMIT = 3;
const TTL = 2_000;

/** Kills the holder of a slot while others use the limiter, and waits until all slots are free. */
async function killHolder(address: BackendAddress, backend: RateLimiterBackend): Promise<void> {
  const key = crypto.randomUUID();
  const assignment: HolderAssignment = { ...address, key, limit: LIMIT, ttl: TTL };
  const args = [...(runtime === "deno" ? ["run", "-A"] : []), PROGRAM, JSON.stringify(assignment)];
  const child = spawn(process.execPath, args, { stdio: ["ignore", "pipe", "inherit"] });
  const exit = once(child, "exit");
  try {
    await once(child.stdout, "data");
    const limiter = new ConcurrentRateLimiter(backend, key, {
      limit: LIMIT,
      ttl: TTL,
      leases: true,
    });
    /** Number of slots that are free now. */
    const freeSlots = async () => {
      const slots = await Promise.all(
        Array.from({ length: LIMIT }, () => limiter.acquire({ raiseOnFailure: false })),
      );
      for (const slot of slots) await slot.release();
      return slots.filter(({ acquired }) => acquired).length;
    };
    // For longer than a lease lasts: the process renews its own.
    const end = performance.now() + 1.5 * TTL;
    while (performance.now() < end) assert(await freeSlots() < LIMIT, "it has lost its lease");
    child.kill("SIGKILL");
    await exit;
    await eventually("have all slots back", async () => await freeSlots() === LIMIT);
    assertEquals(await freeSlots(), LIMIT);
  } finally {
    child.kill("SIGKILL");
    await exit;
  }
}

testOwn("redis-server")(
  "a slot whose holder was killed comes back on Redis while others use the limiter",
  async () => {
    await using server = await startRedis();
    await using backend = new RedisRateLimiterBackend({ url: server.url });
    await killHolder({ kind: "redis", address: server.url }, backend);
  },
);

testOwn("memcached")(
  "a slot whose holder was killed comes back on Memcached while others use the limiter",
  async () => {
    await using server = await startOwnMemcached();
    await using backend = new MemcachedRateLimiterBackend({ servers: server.address });
    await killHolder({ kind: "memcached", address: server.address }, backend);
  },
);
