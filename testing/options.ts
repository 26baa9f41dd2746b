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
   * The broker of the application. Until the `TestBroker` is closed, it receives the messages of
   * all actors of that broker, including actors that are declared meanwhile. If it is the global
   * broker, `getBroker()` returns the `TestBroker` meanwhile.
   */
  replaces?: Broker;
  /** Single actors whose messages the `TestBroker` receives until it is closed. */
  actors?: Iterable<AnyActor>;
  /**
   * The middleware, or a function that makes it and receives the clock of the test. Use the list of
   * your application, with backends in memory.
   *
   * @default The default middleware, `GroupCallbacks` and `Results`, with backends in memory
   */
  middleware?: readonly Middleware[] | ((clock: VirtualClock) => readonly Middleware[]);
  /** Start time of the clock. @default {"2025-01-01T00:00:00Z"} */
  now?: Date | string | number;
  /** A clock to share, instead of `now`. @default A new clock */
  clock?: VirtualClock;
  /** Number of messages that run at once. With 1 they run in order. @default {1} */
  concurrency?: number;
  /**
   * Handling of messages: `"manual"` keeps them until the test runs them; `"inline"` runs them,
   * their retries, and the messages that they send, before `send` resolves; `"fake"` only records
   * them.
   *
   * @default {"manual"}
   */
  mode?: "manual" | "inline" | "fake";
}

/** Options of `TestBroker.runActor`. */
export interface RunOptions {
  /**
   * Maximum of real milliseconds without progress while an actor runs.
   *
   * @default {4_000}
   */
  timeout?: number;
  /**
   * True to skip time even while an actor runs: for actors that only wait for their time limit. An
   * actor that waits for a real event would exceed its time limit.
   *
   * @default {false}
   */
  skipWhileRunning?: boolean;
}

/** Options of `TestBroker.advance`. */
export interface AdvanceOptions extends RunOptions {
  /**
   * True to throw the first unexpected error of an actor. Expected are those in `throws`, `Retry`,
   * `Snooze` and `RateLimitExceeded`. With false, errors only lead to retries, as in production.
   *
   * @default {true}
   */
  raise?: boolean;
  /**
   * Maximum of runs; more count as an endless loop. For `drain` in total, for `advance` at each
   * point in time.
   *
   * @default {10_000}
   */
  maxRuns?: number;
}

/** Options of `TestBroker.drain`. */
export interface DrainOptions extends AdvanceOptions {
  /**
   * Latest time to skip to, in milliseconds since the epoch. Messages that are due later stay.
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
/** Options of the calls that run actors, by their names in errors. */
const CALLS = {
  "run the actor": KNOWN_RUN_OPTIONS,
  advance: KNOWN_ADVANCE_OPTIONS,
  drain: KNOWN_DRAIN_OPTIONS,
} as const;
/** Longest delay of `setTimeout`. */
const MAX_TIMEOUT = 2 ** 31 - 1;
const MODES = ["manual", "inline", "fake"];

/**
 * Checks the options of the constructor.
 *
 * @param options The options.
 * @throws {TypeError} If one is unknown, or of the wrong type.
 * @throws {RangeError} If the concurrency is not a whole number above 0, or the mode is unknown.
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
 * @param verb Name of the call, for errors.
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
 * @returns Options for the driver.
 * @throws Like {@linkcode checkRunOptions}; also a RangeError if `until` is not a time.
 */
export function workOfDrain(options: DrainOptions): WorkOptions {
  const checked = checkRunOptions("drain", options);
  return { ...checked, until: untilOf(options), endsWhenDone: true, countsAnew: false };
}

/** The option `until` of a drain, in milliseconds since the epoch. */
function untilOf({ until = Infinity }: DrainOptions): number {
  const time = typeof until === "number" ? until : until instanceof Date ? until.getTime() : NaN;
  if (!Number.isNaN(time)) return time;
  throw new RangeError(`Cannot drain until ${String(until)}: it is not a time`);
}

/**
 * Makes the middleware of a `TestBroker`.
 *
 * @param middleware The option.
 * @param clock The clock of the test.
 * @returns The middleware.
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
