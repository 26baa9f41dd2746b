/**
 * Actors, messages, composition, encoders and errors, without any broker. With the entry of one
 * broker it makes the smallest bundle of a program that sends: `@dq/dramatiq` has all of it, and all
 * brokers besides, since it makes the one that `DRAMATIQ_BROKER_URL` names. Here `setBroker()` comes first.
 *
 * @example Send, with nothing but Redis in the bundle
 * ```ts
 * import { actor, setBroker } from "@dq/dramatiq/core";
 * import { RedisBroker } from "@dq/dramatiq/brokers/redis";
 *
 * setBroker(new RedisBroker({ url: "redis://127.0.0.1:6379" }));
 * const greet = actor((name: string) => `Hello, ${name}`, { actorName: "greet" });
 * export const welcome = () => greet.send("Ada");
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
  type EnqueueOptions,
  type ErrorClass,
  type MessageArgs,
  type MessageWithOptions,
  type PipedInput,
  type SendWithOptions,
} from "./actor_options.ts";
export { Actor, actor } from "./actor.ts";
export { GenericActor, type GenericActorMeta } from "./generic_actor.ts";
export { Message } from "./message.ts";
export { type MessageChanges, type MessageFields } from "./message_fields.ts";
export type { Kwargs, MessageDict } from "./message_dict.ts";
export type {
  KnownMessageOptions,
  LibraryOption,
  MessageOptions,
  WireOptions,
} from "./message_options.ts";
export type {
  CronSchedule,
  EverySchedule,
  MissedPolicy,
  OverlapPolicy,
  PeriodicOptions,
  PeriodicTimes,
} from "./schedules.ts";
export type { Duration, DurationFields } from "../platform/duration.ts";
export { currentMessage, currentSignal } from "./context.ts";
export { currentActor } from "./current_actor.ts";

// Composition
export {
  type CompletionCallbackOptions,
  Group,
  group,
  type GroupOptions,
  type GroupStep,
  type MemberResult,
  type RunGroupOptions,
} from "./group.ts";
export {
  type FirstOf,
  type InputOf,
  type LastOf,
  Pipeline,
  pipeline,
  type PipelineChain,
  type PipelineOptions,
  type PipelineStep,
  type ResultOf,
  type RunOptions,
} from "./pipeline.ts";

// Encoders
export { type Encoded, Encoder, getEncoder, JSONEncoder, setEncoder } from "../encoders/encoder.ts";
export { PickleEncoder, type PickleEncoderOptions } from "../encoders/pickle/encoder.ts";

// The base of brokers
export { Broker, type BrokerOptions } from "./broker.ts";
export type { ActorRegistry } from "./actor_registry.ts";
export type { JoinOptions } from "./join.ts";
export type { MiddlewareClass, MiddlewarePosition } from "./middleware_list.ts";
export { type ConsumeOptions, Consumer, type OneOrMany, type ReceiveOptions } from "./consumer.ts";
export {
  DeadLetter,
  type DeadLetterOptions,
  type DeadLetterOwner,
  type InspectionHost,
  type ReadDeadLettersOptions,
  type StoredDeadLetter,
} from "./dead_letters.ts";
export type {
  Ability,
  ChangeOutcome,
  FoundMessages,
  InspectedMessage,
  InspectOptions,
  Inspector,
  MessageChange,
  MessagePage,
  MessageQuery,
  MessageRef,
  MessageState,
  Overview,
  OverviewOptions,
  QueueOverview,
} from "./inspection.ts";
export type {
  ActorCounts,
  HistoryMinute,
  RunningMessage,
  WorkerReport,
} from "./inspection_reports.ts";
export { NotSupported } from "./inspection_error.ts";
export type { CountsByActor, ReportSource } from "./report_source.ts";
export { decodeFromQueue, UndecodableMessage } from "./undecodable_message.ts";
export { assertQueueOrDelayQueueName } from "./queue_names.ts";
export { type InterruptListener, type InterruptOptions, MessageProxy } from "./message_proxy.ts";
export type { Suspicion } from "./suspicion.ts";
export type { HookArguments, HookName, HookOf, SignalOf } from "./emitter.ts";
export { getBroker, setBroker } from "./global_broker.ts";

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
  DuplicateMessage,
  FollowUpNotStored,
  MiddlewareError,
  PoisonMessage,
  QueueJoinTimeout,
  QueueNotFound,
  RateLimitExceeded,
  RequestRejected,
  Retry,
  type RetryOptions,
  SkipMessage,
} from "./errors.ts";
export {
  ResultError,
  ResultFailure,
  type ResultFailureOptions,
  ResultMissing,
  ResultTimeout,
} from "./result_errors.ts";
export { Snooze, type SnoozeOptions } from "./snooze.ts";
export {
  Cancelled,
  type CancelledOptions,
  Interrupt,
  Shutdown,
  TimeLimitExceeded,
  WorkerLost,
} from "./interrupt.ts";

// What the above lean on
export { type Clock, systemClock, type Timer } from "../platform/clock.ts";
export type { Logger } from "../platform/logging.ts";
