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

// Types that few programs name are exported by the entries alone: "@dq/dramatiq/core" and so on.

export {
  Actor,
  actor,
  ActorCrashed,
  type ActorFunction,
  ActorNotFound,
  type ActorOptions,
  type AnyActor,
  assertQueueOrDelayQueueName,
  BarrierNotFound,
  Broker,
  BrokerConnectionError,
  BrokerError,
  type BrokerOptions,
  Cancelled,
  type Clock,
  ConnectionClosed,
  ConnectionError,
  ConnectionFailed,
  type ConsumeOptions,
  Consumer,
  currentActor,
  currentMessage,
  currentSignal,
  DeadLetter,
  DecodeError,
  decodeFromQueue,
  DramatiqError,
  DuplicateMessage,
  type Duration,
  type Encoded,
  Encoder,
  type EnqueueOptions,
  type ErrorClass,
  FollowUpNotStored,
  GenericActor,
  type GenericActorMeta,
  getBroker,
  getEncoder,
  Group,
  group,
  type HookName,
  type Inspector,
  Interrupt,
  type JoinOptions,
  JSONEncoder,
  type Kwargs,
  Message,
  type MessageDict,
  type MessageFields,
  type MessageOptions,
  MessageProxy,
  MiddlewareError,
  NotSupported,
  PickleEncoder,
  Pipeline,
  pipeline,
  PoisonMessage,
  QueueJoinTimeout,
  QueueNotFound,
  RateLimitExceeded,
  type ReceiveOptions,
  RequestRejected,
  ResultError,
  ResultFailure,
  ResultMissing,
  ResultTimeout,
  Retry,
  type SendWithOptions,
  setBroker,
  setEncoder,
  Shutdown,
  SkipMessage,
  Snooze,
  systemClock,
  TimeLimitExceeded,
  UndecodableMessage,
  WorkerLost,
} from "./core/mod.ts";
export {
  brokerFromUrl,
  RabbitmqBroker,
  type RabbitmqBrokerOptions,
  RedisBroker,
  type RedisBrokerOptions,
  SqliteBroker,
  type SqliteBrokerOptions,
  StubBroker,
  type StubBrokerOptions,
} from "./brokers/mod.ts";
export {
  AgeLimit,
  AsyncIO,
  Callbacks,
  type ConsumerInfo,
  CurrentMessage,
  defaultMiddleware,
  GroupCallbacks,
  Middleware,
  type Outcome,
  Pipelines,
  type ProcessOutcome,
  Prometheus,
  type RealmInfo,
  Retries,
  type RetriesOptions,
  ShutdownNotifications,
  TimeLimit,
  type TimeLimitOptions,
  type WorkerInfo,
} from "./middleware/mod.ts";

// Results
export type { GetResultOptions, ResultSource } from "./core/result_source.ts";
export { ResultBackend, type ResultBackendOptions } from "./results/backend.ts";
export { Results, type ResultsOptions } from "./results/middleware.ts";
export { StubResultBackend } from "./results/backends/stub.ts";
export { RedisResultBackend } from "./results/backends/redis.ts";
export { SqliteResultBackend } from "./results/backends/sqlite.ts";
export { MemcachedResultBackend } from "./results/backends/memcached.ts";

// Rate limits and barriers; under shorter names in "@dq/dramatiq/rate_limits"
export {
  Barrier,
  BucketRateLimiter,
  ConcurrentRateLimiter,
  type GroupProgress,
  MemcachedBackend as MemcachedRateLimiterBackend,
  RateLimiter,
  RateLimiterBackend,
  RedisBackend as RedisRateLimiterBackend,
  type Slot,
  SqliteBackend as SqliteRateLimiterBackend,
  StubBackend as StubRateLimiterBackend,
  WindowRateLimiter,
} from "./rate_limits/mod.ts";

// Control; its types in "@dq/dramatiq/control"
export {
  AbortEvents,
  type CancelOptions,
  Control,
  ControlStore,
  RedisControlStore,
  schedule,
  SqliteControlStore,
  StubControlStore,
} from "./control/mod.ts";

// Worker
export { healthHandler } from "./worker/health.ts";
export { Worker } from "./worker/worker.ts";
export type { WorkerOptions } from "./worker/worker_options.ts";
export type { Executor, Run } from "./worker/executors/executor.ts";
export { InlineExecutor, type InlineExecutorOptions } from "./worker/executors/inline.ts";
export { ProcessExecutor, type ProcessExecutorOptions } from "./worker/executors/process.ts";
export { RealmExecutor } from "./worker/executors/realm_executor.ts";
export type { RealmOptions } from "./worker/executors/realm_options.ts";
export { ThreadExecutor, type ThreadExecutorOptions } from "./worker/executors/thread.ts";
