/**
 * Middleware that runs around actors: the default middleware, and those to choose from.
 *
 * @example Another limit for all actors
 * ```ts
 * import { RedisBroker } from "@dq/dramatiq/brokers/redis";
 * import { defaultMiddleware, TimeLimit } from "@dq/dramatiq/middleware";
 *
 * const middleware = defaultMiddleware().filter((one) => !(one instanceof TimeLimit));
 * const broker = new RedisBroker({ middleware: [...middleware, new TimeLimit({ timeLimit: 60_000 })] });
 * ```
 *
 * @module
 */
export {
  type ConsumerInfo,
  Middleware,
  type Outcome,
  type ProcessOutcome,
  type RealmInfo,
  type WorkerInfo,
} from "../core/middleware.ts";
export { defaultMiddleware } from "./defaults.ts";
export { AgeLimit, type AgeLimitOptions } from "./age_limit.ts";
export { AsyncIO, type AsyncIOOptions } from "./async_io.ts";
export { Callbacks } from "./callbacks.ts";
export { CurrentMessage } from "./current_message.ts";
export { GroupCallbacks, type GroupCallbacksOptions } from "./group_callbacks.ts";
export { Pipelines } from "./pipelines.ts";
export { type MetricsSource, Prometheus, type PrometheusOptions } from "./prometheus.ts";
export { Retries, type RetriesOptions } from "./retries.ts";
export {
  ShutdownNotifications,
  type ShutdownNotificationsOptions,
} from "./shutdown_notifications.ts";
export { TimeLimit, type TimeLimitOptions } from "./time_limit.ts";
