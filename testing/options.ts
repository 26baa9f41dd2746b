import type { AnyActor } from "../core/actor_options.ts";
import type { Broker } from "../core/broker.ts";
import type { Middleware } from "../core/middleware.ts";
import { assertKnownOptions, checkKnownOptions, type KnownOptions } from "../core/known_options.ts";
import { defaultMiddleware } from "../middleware/defaults.ts";
import { GroupCallbacks } from "../middleware/group_callbacks.ts";
import { StubRateLimiterBackend } from "../rate_limits/backends/stub.ts";
import { StubResultBackend } from "../results/backends/stub.ts";
import { Results } from "../results/middleware.ts";
import { show } from "./differences.ts";
import type { WorkOptions } from "./driver.ts";
import type { OperationOptions } from "./operation.ts";
import { VirtualClock } from "./virtual_clock.ts";

/** Options for `TestBroker`. */
export interface TestBrokerOptions {
  /**
   * The broker of the application: the messages of all its actors are sent to the `TestBroker` until
   * that is closed. If it is the global broker, `getBroker()` returns the `TestBroker` meanwhile.
   * Actors that are declared on it meanwhile are included.
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
   * Treatment of messages: `"manual"` keeps them until the test runs them, `"inline"` runs them,
   * their retries, and all that follows, before `send` ends, and `"fake"` only notes them.
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
const KNOWN_OPTIONS: KnownOptions<TestBrokerOptions> = {
  replaces: true,
  actors: true,
  middleware: true,
  now: true,
  clock: true,
  concurrency: true,
  mode: true,
};

const KNOWN_RUN_OPTIONS: KnownOptions<RunOptions> = { timeout: true, skipWhileRunning: true };
const KNOWN_ADVANCE_OPTIONS: KnownOptions<AdvanceOptions> = {
  timeout: true,
  skipWhileRunning: true,
  raise: true,
  maxRuns: true,
};
const KNOWN_DRAIN_OPTIONS: KnownOptions<DrainOptions> = {
  timeout: true,
  skipWhileRunning: true,
  raise: true,
  maxRuns: true,
  until: true,
};
/** The calls that run actors, by their names in texts, and their options. */
const CALLS = {
  "run the actor": KNOWN_RUN_OPTIONS,
  advance: KNOWN_ADVANCE_OPTIONS,
  drain: KNOWN_DRAIN_OPTIONS,
} as const;
/** The longest that a timer of the runtime waits. */
const MAX_TIMEOUT = 2 ** 31 - 1;
const MODES = ["manual", "inline", "fake"];

/**
 * Checks the options of the constructor.
 *
 * @param options The options.
 * @throws {TypeError} If one is unknown, or of the wrong type.
 * @throws {RangeError} If the concurrency is not a whole number above 0, or there is no such mode.
 */
export function checkOptions(options: TestBrokerOptions): void {
  assertKnownOptions("TestBroker", options, KNOWN_OPTIONS);
  const { replaces, actors, middleware, clock, concurrency = 1, mode = "manual" } = options;
  const refuse = (name: string, value: unknown, rule: string) => {
    throw new TypeError(`Cannot create TestBroker: ${name} must be ${rule}, not ${show(value)}`);
  };
  if (replaces !== undefined && typeof replaces?.declareActor !== "function") {
    refuse("replaces", replaces, "a broker");
  }
  const isList = actors === undefined ||
    (typeof actors !== "string" && typeof actors?.[Symbol.iterator] === "function");
  if (!isList) refuse("actors", actors, "a list of actors");
  if (middleware !== undefined && !Array.isArray(middleware) && typeof middleware !== "function") {
    refuse("middleware", middleware, "a list, or a function that makes it");
  }
  if (clock !== undefined && !(clock instanceof VirtualClock)) {
    refuse("clock", clock, "a VirtualClock");
  }
  if (!(Number.isSafeInteger(concurrency) && concurrency > 0)) {
    throw new RangeError(
      `Cannot create TestBroker: concurrency must be a whole number above 0, not ${
        show(concurrency)
      }`,
    );
  }
  if (!MODES.includes(mode)) {
    throw new RangeError(
      `Cannot create TestBroker: mode must be ${MODES.map(show).join(", ")}, not ${show(mode)}`,
    );
  }
}

/**
 * Checks the options of a call.
 *
 * @param verb Name of the call, in texts.
 * @param options The options.
 * @returns The options with their defaults.
 * @throws {TypeError} If one is unknown, or of the wrong type.
 * @throws {RangeError} If a number is out of its range.
 */
export function checkRunOptions(
  verb: keyof typeof CALLS,
  options: DrainOptions,
): Omit<OperationOptions, "countsAnew"> {
  checkKnownOptions(verb, options, CALLS[verb] as KnownOptions<DrainOptions>);
  const { timeout = 4_000, skipWhileRunning = false, raise = true, maxRuns = 10_000 } = options;
  for (const [name, value] of Object.entries({ skipWhileRunning, raise })) {
    if (typeof value === "boolean") continue;
    throw new TypeError(`Cannot ${verb}: ${name} must be true or false, not ${show(value)}`);
  }
  if (!(typeof timeout === "number" && timeout > 0)) {
    throw new RangeError(`Cannot ${verb}: timeout must be above 0 ms, not ${show(timeout)}`);
  }
  if (!(maxRuns === Infinity || (Number.isSafeInteger(maxRuns) && maxRuns > 0))) {
    throw new RangeError(
      `Cannot ${verb}: maxRuns must be a whole number above 0, not ${show(maxRuns)}`,
    );
  }
  return { verb, timeout: Math.min(timeout, MAX_TIMEOUT), skipWhileRunning, raise, maxRuns };
}

/**
 * Checks the options of a drain.
 *
 * @param options The options.
 * @returns What the driver does for it.
 * @throws The same as {@linkcode checkRunOptions}; a RangeError if `until` is not a time.
 */
export function workOfDrain(options: DrainOptions): WorkOptions {
  const checked = checkRunOptions("drain", options);
  return { ...checked, until: untilOf(options), endsWhenDone: true, countsAnew: false };
}

/** End of a drain, in milliseconds since the epoch. */
function untilOf({ until = Infinity }: DrainOptions): number {
  const time = typeof until === "number" ? until : until instanceof Date ? until.getTime() : NaN;
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
  if (typeof middleware === "function") {
    const made = middleware(clock);
    if (Array.isArray(made)) return made;
    throw new TypeError(
      `Cannot create TestBroker: the function middleware must return a list, not ${show(made)}`,
    );
  }
  return middleware ?? [
    ...defaultMiddleware(),
    new GroupCallbacks(new StubRateLimiterBackend({ clock })),
    new Results({ backend: new StubResultBackend({ clock }) }),
  ];
}
