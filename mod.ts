/**
 * Background tasks for Deno, Bun and Node: actors, brokers, middleware and a worker
 * that share queues with Python's dramatiq.
 *
 * @example Send and run
 * ```ts
 * import { actor, setBroker, StubBroker, Worker } from "@dq/dramatiq";
 *
 * const broker = new StubBroker();
 * setBroker(broker);
 *
 * const add = actor(function add(a: number, b: number) {
 *   return a + b;
 * });
 *
 * await using worker = new Worker(broker);
 * await worker.start();
 * await add.send(1, 2);
 * await broker.join("default");
 * ```
 *
 * @module
 */

export * from "./core/mod.ts";
export * from "./brokers/mod.ts";
export * from "./middleware/mod.ts";
export type { SqliteBackendAddress } from "./clients/sqlite/handles.ts";

// Results
export type { GetResultOptions, ResultOwner, ResultSource } from "./core/result_source.ts";
export { ResultBackend, type ResultBackendOptions } from "./results/backend.ts";
export { Results, type ResultsOptions } from "./results/middleware.ts";
export { StubBackend as StubResultBackend } from "./results/backends/stub.ts";
export {
  RedisBackend as RedisResultBackend,
  type RedisBackendOptions as RedisResultBackendOptions,
} from "./results/backends/redis.ts";
export {
  SqliteBackend as SqliteResultBackend,
  type SqliteBackendOptions as SqliteResultBackendOptions,
} from "./results/backends/sqlite.ts";
export {
  MemcachedBackend as MemcachedResultBackend,
  type MemcachedBackendOptions as MemcachedResultBackendOptions,
} from "./results/backends/memcached.ts";
export type { MemcachedOptions } from "./clients/memcached/connection.ts";
export type { FailureOptions } from "./results/stored_result.ts";
export type { Stored } from "./results/batched_reads.ts";

// Rate limits and barriers; under shorter names in "@dq/dramatiq/rate_limits"
export {
  type AcquireOptions,
  Barrier,
  type BarrierOptions,
  type BarrierWaitOptions,
  BucketRateLimiter,
  type BucketRateLimiterOptions,
  ConcurrentRateLimiter,
  type ConcurrentRateLimiterOptions,
  type GroupProgress,
  MemcachedBackend as MemcachedRateLimiterBackend,
  type MemcachedRateLimiterBackendOptions,
  RateLimiter,
  RateLimiterBackend,
  RedisBackend as RedisRateLimiterBackend,
  type RedisRateLimiterBackendOptions,
  type Slot,
  SqliteBackend as SqliteRateLimiterBackend,
  type SqliteRateLimiterBackendOptions,
  StubBackend as StubRateLimiterBackend,
  type StubRateLimiterBackendOptions,
  WindowRateLimiter,
  type WindowRateLimiterOptions,
} from "./rate_limits/mod.ts";

// Control
export { AbortEvents, type AbortEventsOptions } from "./control/abort_events.ts";
export { Control } from "./control/control.ts";
export type { PausedQueue, PauseOptions, PauseTarget } from "./control/pauses.ts";
export type { SetConcurrencyOptions } from "./control/sizes.ts";
export type { WorkerReport } from "./control/workers.ts";
export type { Cancellation, CancelOptions, CancelPredicate } from "./core/cancellation.ts";
export {
  type ControlChange,
  type ControlEntry,
  type ControlJson,
  type ControlListener,
  type ControlOutcome,
  type ControlSnapshot,
  ControlStore,
  type ControlValue,
} from "./core/control_store.ts";
export { StubControlStore, type StubControlStoreOptions } from "./control/backends/stub.ts";
export { SqliteControlStore, type SqliteControlStoreOptions } from "./control/backends/sqlite.ts";
export { RedisControlStore, type RedisControlStoreOptions } from "./control/backends/redis.ts";

// Worker
export { Worker } from "./worker/worker.ts";
export type { WorkerOptions } from "./worker/worker_options.ts";
export { ConsumerLoop, type ConsumerLoopOptions } from "./worker/consumer_loop.ts";
export type { Settlement, SettlementOwner } from "./worker/settlement.ts";
export type { Executor, Run } from "./worker/executors/executor.ts";
export { InlineExecutor, type InlineExecutorOptions } from "./worker/executors/inline.ts";
export { ProcessExecutor, type ProcessExecutorOptions } from "./worker/executors/process.ts";
export type { RealmOptions } from "./worker/executors/realm_options.ts";
export { ThreadExecutor, type ThreadExecutorOptions } from "./worker/executors/thread.ts";
