import type { AnyActor } from "../core/actor_options.ts";
import type { Broker } from "../core/broker.ts";
import type { Middleware } from "../core/middleware.ts";
import { assertKnownOptions, type KnownOptions } from "../core/known_options.ts";
import { defaultMiddleware } from "../middleware/defaults.ts";
import { GroupCallbacks } from "../middleware/group_callbacks.ts";
import { StubRateLimiterBackend } from "../rate_limits/backends/stub.ts";
import { StubResultBackend } from "../results/backends/stub.ts";
import { Results } from "../results/middleware.ts";
import type { OperationOptions } from "./operation.ts";
import type { VirtualClock } from "./virtual_clock.ts";

/** Options for `TestBroker`. */
export interface TestBrokerOptions {
  /**
   * The broker of the application: all of its actors are pointed at the `TestBroker` until that is
   * closed. If `getBroker()` gives it, it gives the `TestBroker` until then.
   */
  replaces?: Broker;
  /** Single actors that are pointed at the `TestBroker` until that is closed. */
  actors?: Iterable<AnyActor>;
  /**
   * The middleware, or a function that makes it for the clock of the test. Use the list of your
   * application, with backends in memory.
   *
   * @default The default middleware, `GroupCallbacks` and `Results`, with backends in memory
   */
  middleware?: readonly Middleware[] | ((clock: VirtualClock) => readonly Middleware[]);
  /** When the time of the test begins. @default {"2025-01-01T00:00:00Z"} */
  now?: Date | string | number;
  /** A clock that others use, too; instead of `now`. @default One of its own */
  clock?: VirtualClock;
  /** Number of messages that run at once. With 1 they run in order. @default {1} */
  concurrency?: number;
  /**
   * What becomes of messages: `"manual"` keeps them until the test runs them, `"inline"` runs them,
   * and all that follows, before `send` ends, and `"fake"` only notes them.
   *
   * @default {"manual"}
   */
  mode?: "manual" | "inline" | "fake";
}

/** Options of `TestBroker.runActor`. */
export interface RunOptions {
  /**
   * Milliseconds, of real time, for which an actor may run without anything happening.
   *
   * @default {4_000}
   */
  timeout?: number;
  /**
   * True to skip time although an actor is running: for actors that wait for nothing but their time
   * limit. Those that wait for something real would be past it.
   *
   * @default {false}
   */
  skipWhileRunning?: boolean;
}

/** Options of `TestBroker.advance`. */
export interface AdvanceOptions extends RunOptions {
  /**
   * True to throw the first error of an actor that is not expected, as those in `throws`, `Retry`,
   * `Snooze` and `RateLimitExceeded` are. False lets retries go on.
   *
   * @default {true}
   */
  raise?: boolean;
  /**
   * Number of runs with which a call ends, as an endless loop: of `drain` in all, of `advance` at
   * one point in time.
   *
   * @default {10_000}
   */
  maxRuns?: number;
}

/** Options of `TestBroker.drain`. */
export interface DrainOptions extends AdvanceOptions {
  /**
   * Time beyond which none is skipped, in milliseconds since the epoch; what is due later stays.
   *
   * @default {Infinity}
   */
  until?: Date | number;
}

/** Options of the constructor. */
export const KNOWN_OPTIONS: KnownOptions<TestBrokerOptions> = {
  replaces: true,
  actors: true,
  middleware: true,
  now: true,
  clock: true,
  concurrency: true,
  mode: true,
};

const KNOWN_RUN_OPTIONS: KnownOptions<DrainOptions> = {
  timeout: true,
  skipWhileRunning: true,
  raise: true,
  maxRuns: true,
  until: true,
};

/**
 * Checks the options of a call.
 *
 * @param verb Name of the call, in texts.
 * @param options The options.
 * @returns The options with their defaults.
 * @throws {TypeError} If one is unknown.
 */
export function checkRunOptions(
  verb: string,
  options: DrainOptions,
): Omit<OperationOptions, "countsAnew"> {
  assertKnownOptions(verb, options, KNOWN_RUN_OPTIONS);
  const { timeout = 4_000, skipWhileRunning = false, raise = true, maxRuns = 10_000 } = options;
  return { verb, timeout, skipWhileRunning, raise, maxRuns };
}

/**
 * Reads how far a drain goes.
 *
 * @returns Milliseconds since the epoch.
 * @throws {RangeError} If it is not a time.
 */
export function untilOf({ until = Infinity }: DrainOptions): number {
  const time = until === Infinity ? Infinity : new Date(until).getTime();
  if (!Number.isNaN(time)) return time;
  throw new RangeError(`Cannot drain until ${String(until)}: it is not a time`);
}

/**
 * Makes the middleware of a `TestBroker`.
 *
 * @param middleware The option.
 * @param clock The time of the test.
 * @returns The list.
 */
export function testMiddleware(
  middleware: TestBrokerOptions["middleware"],
  clock: VirtualClock,
): readonly Middleware[] {
  if (typeof middleware === "function") return middleware(clock);
  return middleware ?? [
    ...defaultMiddleware(),
    new GroupCallbacks(new StubRateLimiterBackend({ clock })),
    new Results({ backend: new StubResultBackend({ clock }) }),
  ];
}
