import { type Duration, toMilliseconds } from "../platform/duration.ts";
import { errorMessage } from "../platform/thrown.ts";
import { checkCronPattern } from "./cron_pattern.ts";
import { assertKnownOptions, type KnownOptions } from "./known_options.ts";
import type { Kwargs } from "./message_dict.ts";

/** Handling of ticks at which no worker was alive or able to send. */
export type MissedPolicy = "one" | "skip" | "all";

/** Handling of a tick at which the last message has not finished. */
export type OverlapPolicy = "skip" | "queue" | "allow";

/**
 * A schedule on which messages are sent: option `periodic` of `actor()`, and `schedule()`. Either
 * `cron` or `every`.
 */
export interface PeriodicOptions {
  /**
   * Name that identifies the schedule in the fleet. Required for several schedules of one actor.
   *
   * @default The name of the actor.
   */
  name?: string;
  /**
   * A cron pattern of five fields: minute, hour, day of the month, month, day of the week; or
   * `@hourly`, `@daily`, `@weekly`, `@monthly`, `@yearly`.
   */
  cron?: string;
  /** An interval of 100 ms or more. Ticks are its multiples since the epoch. */
  every?: Duration;
  /** Time zone of the pattern, such as `Europe/Berlin`. @default {"UTC"} */
  timeZone?: string;
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
  /** Delays each message by up to this, by a hash of name and time. @default {0} */
  jitter?: Duration;
}

/** A checked schedule. All of it can be written as JSON. */
export interface Schedule {
  /** Tells it from all others. */
  readonly name: string;
  /** The actor that its messages are for. */
  readonly actorName: string;
  /** The queue that they go to. */
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

const KNOWN: KnownOptions<PeriodicOptions> = {
  name: true,
  cron: true,
  every: true,
  timeZone: true,
  args: true,
  missed: true,
  grace: true,
  overlap: true,
  jitter: true,
};
const OTHER_SPELLINGS = {
  pattern: "cron",
  interval: "every",
  timezone: "timeZone",
  tz: "timeZone",
};
/** The shortest interval: each time costs each worker a command. */
const SHORTEST = 100;

/**
 * Checks the schedules of an actor.
 *
 * @param target The actor.
 * @param periodic What was given: options, or a list of them.
 * @returns The schedules.
 * @throws {TypeError} If something is of the wrong type. The text names the actor and the value.
 * @throws {RangeError} If a value is out of range.
 */
export function checkSchedules(target: ScheduleTarget, periodic: unknown): Schedule[] {
  const all = Array.isArray(periodic) ? periodic : [periodic];
  if (all.length === 0) throw fault(TypeError, target, "its list of schedules is empty");
  return all.map((options: PeriodicOptions) => {
    assertKnownOptions(
      `the schedule of actor "${target.actorName}"`,
      options,
      KNOWN,
      OTHER_SPELLINGS,
    );
    if (all.length > 1 && options.name === undefined) {
      throw fault(TypeError, target, "each of several schedules needs a name of its own");
    }
    return checkSchedule(target, options);
  });
}

function checkSchedule(target: ScheduleTarget, options: PeriodicOptions): Schedule {
  const { name = target.actorName, args = [], missed = "one", overlap = "skip" } = options;
  if (typeof name !== "string" || name === "") {
    throw fault(TypeError, target, `its schedule has the name ${JSON.stringify(name)}`);
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
    ...checkTimes(target, options),
    args,
    missed,
    grace: checkTime(target, "grace", options.grace ?? 60_000, 0),
    overlap,
    jitter: checkTime(target, "jitter", options.jitter ?? 0, 0),
  };
}

function checkTimes(
  target: ScheduleTarget,
  { cron, every, timeZone }: PeriodicOptions,
): Pick<Schedule, "cron" | "timeZone" | "every"> {
  if ((cron === undefined) === (every === undefined)) {
    throw fault(TypeError, target, "it must have either cron or every");
  }
  if (every !== undefined) {
    if (timeZone !== undefined) {
      throw fault(TypeError, target, `every goes by no zone, and timeZone is ${show(timeZone)}`);
    }
    return { every: checkTime(target, "every", every, SHORTEST) };
  }
  if (typeof cron !== "string") {
    throw fault(TypeError, target, `its cron is ${show(cron)}, which is no text`);
  }
  return { cron: checkCron(target, cron), timeZone: checkZone(target, timeZone ?? "UTC") };
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

/** The error of a schedule that makes no sense. */
export function fault(
  Type: typeof TypeError | typeof RangeError,
  { actorName }: ScheduleTarget,
  reason: string,
): Error {
  return new Type(`Cannot run actor "${actorName}" periodically: ${reason}`);
}

/** A value, in an error. */
export function show(value: unknown): string {
  return typeof value === "string" ? JSON.stringify(value) : String(value);
}
