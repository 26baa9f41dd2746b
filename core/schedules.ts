import { type Duration, toMilliseconds } from "../platform/duration.ts";
import { errorMessage } from "../platform/thrown.ts";
import { showValue } from "../platform/show_value.ts";
import { checkCronPattern } from "./cron_pattern.ts";
import { assertKnownOptions, type KnownOptions } from "./known_options.ts";
import type { Kwargs } from "./message_dict.ts";

/** Handling of ticks at which no worker was alive or able to send. */
export type MissedPolicy = "one" | "skip" | "all";

/** Handling of a tick at which the last message has not finished. */
export type OverlapPolicy = "skip" | "queue" | "allow";

/** Options of both patterns and intervals. */
export interface PeriodicOptions {
  /**
   * Name that identifies the schedule in the fleet. Required for several schedules of one actor.
   *
   * @default The name of the actor.
   */
  name?: string;
  /** Arguments of each message. @default {[]} */
  args?: readonly unknown[];
  /**
   * Handling of missed ticks: `one` sends one late message, for the latest of them; `skip` sends
   * none that is more than `grace` late; `all` sends one for each, the oldest first, 100 at most.
   *
   * @default {"one"}
   */
  missed?: MissedPolicy;
  /** Delay up to which `missed: "skip"` still sends. @default {60_000} */
  grace?: Duration;
  /**
   * Handling of a tick at which the last message, including its retries, has not finished: `skip`
   * sends none; `queue` sends one when that has finished; `allow` sends it.
   *
   * @default {"skip"}
   */
  overlap?: OverlapPolicy;
  /** Longest delay added to a message; a hash of its name and time picks the delay. @default {0} */
  jitter?: Duration;
}

/** Times by a cron pattern: option `cron` of `actor()`. */
export interface CronSchedule extends PeriodicOptions {
  /**
   * A cron pattern of five fields: minute, hour, day of the month, month, day of the week; or
   * `@hourly`, `@daily`, `@weekly`, `@monthly`, `@yearly`.
   */
  pattern: string;
  /** The time zone of the pattern, such as `Europe/Berlin`. @default {"UTC"} */
  timeZone?: string;
}

/** Times at an interval: option `every` of `actor()`. */
export interface EverySchedule extends PeriodicOptions {
  /** The interval, 100 ms or more. Messages are due at its multiples since the epoch. */
  interval: Duration;
}

/** Times at which an actor is sent messages: options of `actor()` and `schedule()`. */
export interface PeriodicTimes {
  /** A pattern in UTC, a pattern with options, or several of them. */
  cron?: string | CronSchedule | readonly CronSchedule[];
  /** An interval, an interval with options, or several of them. */
  every?: Duration | EverySchedule | readonly EverySchedule[];
}

/** A checked schedule. All of it can be written as JSON. */
export interface Schedule {
  /** Identifies the schedule in the fleet. */
  readonly name: string;
  /** The actor of its messages. */
  readonly actorName: string;
  /** The queue of its messages. */
  readonly queueName: string;
  /** The pattern; `undefined` for an interval. */
  readonly cron?: string;
  /** The zone of the pattern. */
  readonly timeZone?: string;
  /** Milliseconds; `undefined` for a pattern. */
  readonly every?: number;
  /** Positional arguments. */
  readonly args: readonly unknown[];
  /** Keyword arguments. */
  readonly kwargs?: Kwargs;
  /** Handling of missed ticks. */
  readonly missed: MissedPolicy;
  /** Milliseconds. */
  readonly grace: number;
  /** Handling of a tick while the last message has not finished. */
  readonly overlap: OverlapPolicy;
  /** Milliseconds. */
  readonly jitter: number;
}

/** Target of the messages of a schedule. */
export interface ScheduleTarget {
  readonly actorName: string;
  readonly queueName: string;
  readonly kwargs?: Kwargs;
}

// No spread: bundlers would keep it in programs without schedules.
const CRON: KnownOptions<CronSchedule> = {
  name: true,
  pattern: true,
  timeZone: true,
  args: true,
  missed: true,
  grace: true,
  overlap: true,
  jitter: true,
};
const EVERY: KnownOptions<EverySchedule> = {
  name: true,
  interval: true,
  args: true,
  missed: true,
  grace: true,
  overlap: true,
  jitter: true,
};
const OTHER_SPELLINGS = {
  cron: "pattern",
  every: "interval",
  timezone: "timeZone",
  tz: "timeZone",
};
/** The shortest interval in milliseconds: at each time, every worker sends a command. */
const SHORTEST = 100;

/**
 * Checks the schedules of an actor.
 *
 * @param target The actor.
 * @param times Its options `cron` and `every`.
 * @param overlap The default of their option `overlap`. @default {"skip"}
 * @returns The schedules; none if it has neither option.
 * @throws {TypeError} If something is of the wrong type. The message names the actor and the value.
 * @throws {RangeError} If a value is out of range.
 */
export function checkSchedules(
  target: ScheduleTarget,
  { cron, every }: PeriodicTimes,
  overlap: OverlapPolicy = "skip",
): Schedule[] {
  const patterns = listOf<CronSchedule>(target, "cron", cron, (value) => {
    const isShort = typeof value !== "object" || value === null;
    return isShort ? { pattern: value as string } : undefined;
  });
  const intervals = listOf<EverySchedule>(target, "every", every, (value) => {
    const isDuration = typeof value !== "object" || value === null || !("interval" in value);
    return isDuration ? { interval: value as Duration } : undefined;
  });
  const isOne = patterns.length + intervals.length === 1;
  const check = (options: PeriodicOptions, times: ScheduleTimes): Schedule => {
    if (!isOne && options.name === undefined) {
      throw fault(TypeError, target, "each of several schedules needs a name of its own");
    }
    return checkSchedule(target, { overlap, ...options }, times);
  };
  return [
    ...patterns.map((one) => check(one, checkPattern(target, one))),
    ...intervals.map((one) => check(one, checkInterval(target, one))),
  ];
}

/** Returns the schedules of an option as a list, with short forms written out. */
function listOf<S extends object>(
  target: ScheduleTarget,
  name: "cron" | "every",
  value: unknown,
  expand: (short: unknown) => S | undefined,
): S[] {
  if (value === undefined) return [];
  if (!Array.isArray(value)) return [expand(value) ?? value as S];
  if (value.length === 0) throw fault(TypeError, target, `its ${name} is an empty list`);
  return value.map((one) => expand(one) ?? one);
}

/** Times of a schedule. */
type ScheduleTimes = Pick<Schedule, "cron" | "timeZone" | "every">;

function checkPattern(target: ScheduleTarget, schedule: CronSchedule): ScheduleTimes {
  assertKnownOptions(`the cron of actor "${target.actorName}"`, schedule, CRON, OTHER_SPELLINGS);
  const { pattern, timeZone = "UTC" } = schedule;
  if (typeof pattern !== "string") {
    throw fault(TypeError, target, `its pattern is ${show(pattern)}, which is no text`);
  }
  return { cron: checkCron(target, pattern), timeZone: checkZone(target, timeZone) };
}

function checkInterval(target: ScheduleTarget, schedule: EverySchedule): ScheduleTimes {
  assertKnownOptions(`the every of actor "${target.actorName}"`, schedule, EVERY, OTHER_SPELLINGS);
  return { every: checkTime(target, "every", schedule.interval, SHORTEST) };
}

function checkSchedule(
  target: ScheduleTarget,
  options: PeriodicOptions,
  times: ScheduleTimes,
): Schedule {
  const { name = target.actorName, args = [], missed = "one", overlap = "skip" } = options;
  if (typeof name !== "string" || name === "") {
    throw fault(TypeError, target, `its schedule has the name ${showValue(name)}`);
  }
  checkChoice(target, "missed", missed, ["one", "skip", "all"]);
  checkChoice(target, "overlap", overlap, ["skip", "queue", "allow"]);
  if (!Array.isArray(args)) {
    throw fault(TypeError, target, `its args are ${show(args)}, which is no array`);
  }
  try {
    JSON.stringify([args, target.kwargs]);
  } catch (error) {
    throw fault(TypeError, target, `its args cannot be written as JSON: ${errorMessage(error)}`);
  }
  return {
    name,
    ...target,
    ...times,
    args,
    missed,
    grace: checkTime(target, "grace", options.grace ?? 60_000, 0),
    overlap,
    jitter: checkTime(target, "jitter", options.jitter ?? 0, 0),
  };
}

function checkCron(target: ScheduleTarget, cron: string): string {
  try {
    return checkCronPattern(cron);
  } catch (error) {
    const Type = error instanceof RangeError ? RangeError : TypeError;
    throw fault(Type, target, `its cron is ${show(cron)}: ${errorMessage(error)}`);
  }
}

function checkZone(target: ScheduleTarget, timeZone: unknown): string {
  const reason = `its timeZone is ${show(timeZone)}, which is unknown here`;
  if (typeof timeZone !== "string") throw fault(TypeError, target, reason);
  try {
    new Intl.DateTimeFormat("en", { timeZone });
    return timeZone;
  } catch {
    throw fault(RangeError, target, reason);
  }
}

function checkTime(target: ScheduleTarget, what: string, value: Duration, least: number): number {
  let ms: number;
  try {
    ms = toMilliseconds(value, what);
  } catch (error) {
    const Type = error instanceof RangeError ? RangeError : TypeError;
    throw fault(Type, target, errorMessage(error));
  }
  if (ms >= least && Number.isSafeInteger(ms)) return ms;
  const rule = `a whole number of milliseconds, ${least} or more`;
  throw fault(RangeError, target, `its ${what} is ${ms} ms, and must be ${rule}`);
}

function checkChoice(
  target: ScheduleTarget,
  what: string,
  value: unknown,
  choices: readonly string[],
): void {
  if (choices.includes(value as string)) return;
  throw fault(TypeError, target, `its ${what} is ${show(value)}, not one of ${choices.join(", ")}`);
}

/** Creates the error for an invalid schedule. */
export function fault(
  Type: typeof TypeError | typeof RangeError,
  { actorName }: ScheduleTarget,
  reason: string,
): Error {
  return new Type(`Cannot run actor "${actorName}" periodically: ${reason}`);
}

/** Formats a value for an error. */
export function show(value: unknown): string {
  return typeof value === "string" ? JSON.stringify(value) : String(value);
}
