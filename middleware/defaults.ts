import { AgeLimit } from "./age_limit.ts";
import { Callbacks } from "./callbacks.ts";
import type { Middleware } from "../core/middleware.ts";
import { Pipelines } from "./pipelines.ts";
import { Retries } from "./retries.ts";
import { ShutdownNotifications } from "./shutdown_notifications.ts";
import { TimeLimit } from "./time_limit.ts";

/**
 * Makes the default middleware of brokers, in dramatiq's order.
 *
 * Source: `default_middleware` in `tests/vectors/hooks.json`.
 *
 * @returns A new list of new instances.
 *
 * @example The defaults, and one more
 * ```ts
 * import { AsyncIO, defaultMiddleware, StubBroker } from "@dq/dramatiq";
 *
 * const broker = new StubBroker({ middleware: [...defaultMiddleware(), new AsyncIO()] });
 * ```
 */
export function defaultMiddleware(): Middleware[] {
  return [
    new AgeLimit(),
    new TimeLimit(),
    new ShutdownNotifications(),
    new Callbacks(),
    new Pipelines(),
    new Retries(),
  ];
}
