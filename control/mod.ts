/**
 * Control of all workers of a broker: cancelling messages, pausing queues, schedules, the list of
 * workers, and the stores that the workers share.
 *
 * @example Pause a queue
 * ```ts
 * import { StubBroker } from "@dq/dramatiq/brokers/stub";
 * import { Control } from "@dq/dramatiq/control";
 *
 * const broker = new StubBroker();
 * await new Control(broker).pause({ queue: "mail" }, { reason: "the provider is down" });
 * ```
 *
 * @module
 */
export { AbortEvents, type AbortEventsOptions } from "./abort_events.ts";
export { type CancelAllOptions, Control } from "./control.ts";
export type { Pause, PauseOptions, PauseOutcome, PauseTarget } from "./pauses.ts";
export {
  type PauseScheduleOptions,
  schedule,
  type ScheduleOptions,
  type ScheduleReport,
} from "./schedules.ts";
export type { PeriodicMessage } from "./schedule_state.ts";
export type { ClaimsOptions, UniqueClaim } from "./claims.ts";
export type { SetConcurrencyOptions } from "./sizes.ts";
export type { DebounceOptions } from "../core/debounce.ts";
export type { UniqueOptions } from "../core/unique.ts";
export type { WorkerReport } from "./workers.ts";
export type {
  CronSchedule,
  EverySchedule,
  MissedPolicy,
  OverlapPolicy,
  PeriodicOptions,
  PeriodicTimes,
} from "../core/schedules.ts";
export type { CancelOptions, CancelPredicate } from "../core/cancellation.ts";
export type { Cancellation } from "../core/stored_cancellation.ts";
export {
  type ControlChange,
  type ControlEntry,
  type ControlJson,
  type ControlListener,
  type ControlOutcome,
  type ControlSnapshot,
  ControlStore,
  type ControlValue,
} from "../core/control_store.ts";
export { StubControlStore, type StubControlStoreOptions } from "./backends/stub.ts";
export { SqliteControlStore, type SqliteControlStoreOptions } from "./backends/sqlite.ts";
export { RedisControlStore, type RedisControlStoreOptions } from "./backends/redis.ts";
