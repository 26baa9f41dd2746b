/**
 * A process that takes a slot and holds it until it is killed.
 *
 * @module
 */
import process from "node:process";
import { ConcurrentRateLimiter, MemcachedBackend, RedisBackend } from "../../rate_limits/mod.ts";
import type { BackendAddress } from "../conformance/rate_limiter_harness.ts";

/** Arguments of the program. */
export interface HolderAssignment extends BackendAddress {
  readonly key: string;
  readonly limit: number;
  /** Milliseconds. */
  readonly ttl: number;
}

const { kind, address, key, limit, ttl }: HolderAssignment = JSON.parse(process.argv[2]!);
const backend = kind === "redis"
  ? new RedisBackend({ url: address })
  : new MemcachedBackend({ servers: address });
await new ConcurrentRateLimiter(backend, key, { limit, ttl, leases: true }).acquire();
console.log("held");
setInterval(() => {}, 60_000);
