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

// Actors and messages
export {
  type ActorFunction,
  type ActorOptions,
  type AllButLast,
  type AnyActor,
  type AnyActorClass,
  type ArgsOf,
  type CallbackOption,
  type ErrorClass,
  type MessageArgs,
  type MessageWithOptions,
  type PipedInput,
  type SendWithOptions,
} from "./core/actor_options.ts";
export { Actor, actor } from "./core/actor.ts";
export { GenericActor, type GenericActorMeta } from "./core/generic_actor.ts";
export { Message, type MessageChanges, type MessageFields } from "./core/message.ts";
export type { Kwargs, MessageDict } from "./core/message_dict.ts";
export type { KnownMessageOptions, MessageOptions, WireOptions } from "./core/message_options.ts";
export type { Duration, DurationFields } from "./platform/duration.ts";
export { currentMessage, currentSignal } from "./core/context.ts";

// Composition
export {
  type CompletionCallbackOptions,
  type FirstOf,
  Group,
  group,
  type GroupOptions,
  type GroupStep,
  type InputOf,
  type LastOf,
  type MemberResult,
  Pipeline,
  pipeline,
  type PipelineChain,
  type PipelineOptions,
  type PipelineStep,
  type ResultOf,
  type RunGroupOptions,
  type RunOptions,
} from "./core/composition.ts";

// Encoders
export { type Encoded, Encoder, getEncoder, JSONEncoder, setEncoder } from "./encoders/encoder.ts";
export { PickleEncoder, type PickleEncoderOptions } from "./encoders/pickle/encoder.ts";

// Brokers
export { Broker } from "./core/broker.ts";
export type {
  BrokerOptions,
  EnqueueOptions,
  JoinOptions,
  MiddlewareClass,
  MiddlewarePosition,
} from "./core/broker_options.ts";
export {
  type ConsumeOptions,
  Consumer,
  type OneOrMany,
  type ReceiveOptions,
} from "./core/consumer.ts";
export {
  DeadLetter,
  type DeadLetterOptions,
  type DeadLetterOwner,
  type ReadDeadLettersOptions,
  type StoredDeadLetter,
} from "./core/dead_letters.ts";
export { decodeFromQueue, UndecodableMessage } from "./core/undecodable_message.ts";
export { assertQueueOrDelayQueueName } from "./core/queue_names.ts";
export {
  type InterruptListener,
  type InterruptOptions,
  MessageProxy,
} from "./core/message_proxy.ts";
export type { HookArguments, HookName, HookOf, SignalOf } from "./core/emitter.ts";
export { getBroker, setBroker } from "./core/global_broker.ts";
export { brokerFromUrl } from "./brokers/from_url.ts";
export type { RabbitmqAddress, RabbitmqConnectionOptions } from "./brokers/rabbitmq/address.ts";
export type { QueueType, RabbitmqBrokerOptions } from "./brokers/rabbitmq/options.ts";
export { RabbitmqBroker, type RabbitmqMessageCounts } from "./brokers/rabbitmq/rabbitmq_broker.ts";
export type { RedisClient, RedisConnectionOptions } from "./clients/redis/client.ts";
export type { RedisAddress, RedisBrokerOptions, WaitReplicas } from "./brokers/redis/options.ts";
export type { RestoredDelayed } from "./brokers/redis/delay_registry.ts";
export type { QueueMessageCounts } from "./brokers/redis/queue_state.ts";
export { RedisBroker } from "./brokers/redis/redis_broker.ts";
export type { SqliteAddress, SqliteDurability } from "./clients/sqlite/address.ts";
export type {
  SqliteChanges,
  SqliteDatabase,
  SqliteStatement,
  SqliteValue,
} from "./clients/sqlite/database.ts";
export type { SqliteBackendAddress } from "./clients/sqlite/handles.ts";
export type { SqliteBrokerOptions } from "./brokers/sqlite/options.ts";
export type { SqliteMessageCounts } from "./brokers/sqlite/queue_state.ts";
export type { SqliteInsertStatement, SqliteTransaction } from "./brokers/sqlite/transactions.ts";
export { SqliteBroker } from "./brokers/sqlite/sqlite_broker.ts";
export {
  StubBroker,
  type StubBrokerOptions,
  type StubJoinOptions,
} from "./brokers/stub/stub_broker.ts";

// Middleware
export { Middleware, type ProcessOutcome } from "./core/middleware.ts";
export { defaultMiddleware } from "./middleware/defaults.ts";
export { AgeLimit, type AgeLimitOptions } from "./middleware/age_limit.ts";
export { AsyncIO, type AsyncIOOptions } from "./middleware/async_io.ts";
export { Callbacks } from "./middleware/callbacks.ts";
export { CurrentMessage } from "./middleware/current_message.ts";
export { GroupCallbacks, type GroupCallbacksOptions } from "./middleware/group_callbacks.ts";
export { Pipelines } from "./middleware/pipelines.ts";
export { type MetricsSource, Prometheus, type PrometheusOptions } from "./middleware/prometheus.ts";
export { Retries, type RetriesOptions } from "./middleware/retries.ts";
export {
  ShutdownNotifications,
  type ShutdownNotificationsOptions,
} from "./middleware/shutdown_notifications.ts";
export { TimeLimit, type TimeLimitOptions } from "./middleware/time_limit.ts";

// Results
export type { GetResultOptions, ResultSource } from "./core/result_source.ts";
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
export type { ResultOwner } from "./results/result_key.ts";
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
export { Control } from "./control/control.ts";
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
export { RedisControlStore, type RedisControlStoreOptions } from "./control/backends/redis.ts";

// Worker
export { Worker } from "./worker/worker.ts";
export type { WorkerOptions } from "./worker/worker_options.ts";
export { ConsumerLoop, type ConsumerLoopOptions } from "./worker/consumer_loop.ts";
export type { Settlement, SettlementOwner } from "./worker/settlement.ts";
export type { Outcome } from "./worker/job.ts";
export type { Executor, Run } from "./worker/executors/executor.ts";
export { InlineExecutor, type InlineExecutorOptions } from "./worker/executors/inline.ts";
export { ProcessExecutor, type ProcessExecutorOptions } from "./worker/executors/process.ts";
export type { RealmOptions } from "./worker/executors/realm_options.ts";
export { ThreadExecutor, type ThreadExecutorOptions } from "./worker/executors/thread.ts";

// Errors and interrupts
export {
  ActorCrashed,
  ActorNotFound,
  BarrierNotFound,
  BrokerConnectionError,
  BrokerConnectionError as ConnectionError,
  BrokerError,
  ConnectionClosed,
  type ConnectionErrorOptions,
  ConnectionFailed,
  DecodeError,
  type DeliveryState,
  DramatiqError,
  FollowUpNotStored,
  MiddlewareError,
  QueueJoinTimeout,
  QueueNotFound,
  RateLimitExceeded,
  RequestRejected,
  ResultError,
  ResultFailure,
  type ResultFailureOptions,
  ResultMissing,
  ResultTimeout,
  Retry,
  type RetryOptions,
  SkipMessage,
} from "./core/errors.ts";
export {
  Cancelled,
  type CancelledOptions,
  Interrupt,
  Shutdown,
  TimeLimitExceeded,
  WorkerLost,
} from "./core/interrupt.ts";

// What the above lean on
export { type Clock, systemClock, type Timer } from "./platform/clock.ts";
export type { Logger } from "./platform/logging.ts";
