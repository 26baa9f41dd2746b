/**
 * Rate limits, mutexes, and barriers, for all processes and machines that share a backend, Python's
 * dramatiq included.
 *
 * @example Twice at a time
 * ```ts
 * import { ConcurrentRateLimiter, StubRateLimiterBackend } from "@dq/dramatiq";
 *
 * const limiter = new ConcurrentRateLimiter(new StubRateLimiterBackend(), "render", { limit: 2 });
 * console.log(await limiter.run(() => "done"));
 * ```
 *
 * @module
 */
export { type GroupProgress, RateLimiterBackend } from "./backend.ts";
export {
  MemcachedRateLimiterBackend as MemcachedBackend,
  type MemcachedRateLimiterBackendOptions,
} from "./backends/memcached.ts";
export {
  RedisRateLimiterBackend as RedisBackend,
  type RedisRateLimiterBackendOptions,
} from "./backends/redis.ts";
export {
  SqliteRateLimiterBackend as SqliteBackend,
  type SqliteRateLimiterBackendOptions,
} from "./backends/sqlite.ts";
export {
  StubRateLimiterBackend as StubBackend,
  type StubRateLimiterBackendOptions,
} from "./backends/stub.ts";
export { Barrier, type BarrierOptions, type BarrierWaitOptions } from "./barrier.ts";
export { BucketRateLimiter, type BucketRateLimiterOptions } from "./bucket.ts";
export { ConcurrentRateLimiter, type ConcurrentRateLimiterOptions } from "./concurrent.ts";
export { type AcquireOptions, RateLimiter } from "./rate_limiter.ts";
export type { Slot } from "./slot.ts";
export { WindowRateLimiter, type WindowRateLimiterOptions } from "./window.ts";
export { BarrierNotFound, DramatiqError, RateLimitExceeded } from "../core/errors.ts";

// What the above lean on
export type { RedisClient, RedisConnectionOptions } from "../clients/redis/client.ts";
export type { RedisAddress } from "../clients/redis/address.ts";
export type { Clock, Timer } from "../platform/clock.ts";
export type { MemcachedOptions } from "../clients/memcached/connection.ts";
export type { SqliteAddress, SqliteDurability } from "../clients/sqlite/address.ts";
export type { SqliteBackendAddress } from "../clients/sqlite/handles.ts";
export type {
  SqliteChanges,
  SqliteDatabase,
  SqliteStatement,
  SqliteValue,
} from "../clients/sqlite/database.ts";
