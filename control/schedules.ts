import type { Broker } from "../core/broker.ts";
import { controlStoreOf } from "../core/cancellation.ts";
import type { ControlChange, ControlStore } from "../core/control_store.ts";
import { getBroker } from "../core/global_broker.ts";
import { checkKnownOptions, type KnownOptions } from "../core/known_options.ts";
import { Message } from "../core/message.ts";
import type { Kwargs } from "../core/message_dict.ts";
import { assertQueueName } from "../core/queue_names.ts";
import { checkSchedules, type PeriodicTimes, type Schedule } from "../core/schedules.ts";
import { escapeText } from "../platform/escape.ts";
import { showValue } from "../platform/show_value.ts";
import { FleetSchedules, SPECS_PREFIX } from "./fleet_schedules.ts";
import {
  fromTickState,
  SCHEDULE_PAUSE_PREFIX,
  TICK_PREFIX,
  TICK_TTL,
  toTickState,
  type VersionedState,
} from "./schedule_state.ts";
import { ticksOf } from "./ticks.ts";
import { WORKER_PREFIX } from "./workers.ts";

/** Options of {@linkcode schedule}. */
export interface ScheduleOptions extends PeriodicTimes {
  /** Name of the actor that receives the messages. */
  actorName: string;
  /** Queue of the messages. @default {"default"} */
  queueName?: string;
  /** Keyword arguments of each message, for an actor in Python. */
  kwargs?: Kwargs;
  /** The broker whose workers send it. @default {getBroker()} */
  broker?: Broker;
}

/** Options of `Control.pauseSchedule`. */
export interface PauseScheduleOptions {
  /** A reason for people to read. */
  reason?: string;
}

/** State of a schedule across all workers. */
export interface ScheduleReport {
  /** Unique name. */
  readonly name: string;
  /** Actor of its messages. */
  readonly actorName: string;
  /** Queue of its messages. */
  readonly queueName: string;
  /** The cron pattern; `undefined` for an interval. */
  readonly cron: string | undefined;
  /** The time zone of the pattern. */
  readonly timeZone: string | undefined;
  /** The interval in milliseconds; `undefined` for a pattern. */
  readonly every: number | undefined;
  /** True if a live worker fires it. */
  readonly isAlive: boolean;
  /** True if it is paused. */
  readonly paused: boolean;
  /** The reason of the pause, if one was given. */
  readonly reason: string | undefined;
  /** The next time, in milliseconds since the epoch. It is skipped while the schedule is paused. */
  readonly nextAt: number | undefined;
  /** The time of its last message, in milliseconds since the epoch. */
  readonly lastAt: number | undefined;
  /** The id of its last message. */
  readonly lastMessageId: string | undefined;
  /** Number of messages sent. */
  readonly sent: number;
  /** Number of times that were skipped. */
  readonly skipped: number;
}

const SCHEDULE_OPTIONS: KnownOptions<ScheduleOptions> = {
  actorName: true,
  queueName: true,
  kwargs: true,
  broker: "Broker",
  cron: true,
  every: true,
};
const PAUSE_OPTIONS: KnownOptions<PauseScheduleOptions> = { reason: true };
/** Attempts to change a state while workers change it, too. */
const ATTEMPTS = 20;

/**
 * Sends messages periodically to an actor that is declared elsewhere, such as in Python. All
 * workers of the broker share the sending, whatever queues they consume; they do not run the actor.
 *
 * Each tick sends a message, whether or not the last one has finished, which cannot be known here.
 *
 * @param options The actor, the arguments and the times.
 * @throws {TypeError} If an option is of the wrong type, the name is taken, or the broker has no
 *   control store.
 * @throws {RangeError} If a value is out of range.
 *
 * @example Run an actor in Python each night
 * ```ts
 * import { schedule, setBroker, StubBroker } from "@dq/dramatiq";
 *
 * setBroker(new StubBroker());
 * schedule({ actorName: "clean_up", cron: "0 3 * * *", kwargs: { days: 30 } });
 * ```
 */
export function schedule(options: ScheduleOptions): void {
  checkKnownOptions("schedule an actor", options, SCHEDULE_OPTIONS);
  const { actorName, queueName = "default", kwargs, broker = getBroker(), ...times } = options;
  if (typeof actorName !== "string" || actorName === "") {
    throw new TypeError(`Cannot schedule actor ${showValue(actorName)}: it needs a name`);
  }
  assertQueueName(queueName);
  if (times.cron === undefined && times.every === undefined) {
    throw new TypeError(`Cannot run actor "${actorName}" periodically: it needs cron or every`);
  }
  const target = { actorName, queueName, ...(kwargs !== undefined && { kwargs }) };
  const schedules = checkSchedules(target, times, "allow");
  for (const { overlap } of schedules) {
    if (overlap === "allow") continue;
    throw new TypeError(
      `Cannot run actor "${actorName}" periodically: its overlap is ${JSON.stringify(overlap)}, ` +
        'and of an actor elsewhere only "allow" can be kept',
    );
  }
  controlStoreOf(broker, `run actor "${actorName}" periodically`);
  broker.schedules.add(schedules);
}

/** Schedules of all live workers, and their states. */
export interface Fleet {
  readonly now: number;
  /** Schedules that a live worker fires, and those that this process declares. */
  readonly schedules: ReadonlyMap<string, Schedule>;
  /** Names of those that a live worker fires. */
  readonly alive: ReadonlySet<string>;
  readonly states: ReadonlyMap<string, VersionedState>;
  /** Paused schedules by name, with the reason. */
  readonly paused: ReadonlyMap<string, string | undefined>;
}

/**
 * Reads all schedules from the control store.
 *
 * @param purpose Completes the sentence "Cannot …".
 * @throws {TypeError} If the broker has no control store.
 */
export async function readFleet(broker: Broker, purpose: string): Promise<Fleet> {
  const store = controlStoreOf(broker, purpose);
  const [workers, specs, ticks, pauses] = await Promise.all(
    [WORKER_PREFIX, SPECS_PREFIX, TICK_PREFIX, SCHEDULE_PAUSE_PREFIX].map((prefix) =>
      store.read(prefix)
    ),
  );
  const fleet = new FleetSchedules();
  for (const entry of specs!.entries) fleet.learnEntry(entry);
  fleet.refresh(workers!.entries);
  const alive = new Set(fleet.names);
  const schedules = new Map(broker.schedules.all.map((one) => [one.name, one]));
  for (const name of alive) schedules.set(name, fleet.find(name)!.schedule);
  const nameOf = (key: string, prefix: string) => key.slice(prefix.length);
  return {
    now: workers!.now,
    schedules,
    alive,
    states: new Map(ticks!.entries.map((one) => [nameOf(one.key, TICK_PREFIX), toTickState(one)])),
    paused: new Map(pauses!.entries.map(({ key, value }) => {
      const { reason } = value as Readonly<Record<string, unknown>>;
      return [
        nameOf(key, SCHEDULE_PAUSE_PREFIX),
        typeof reason === "string" ? reason : undefined,
      ];
    })),
  };
}

/** Lists all schedules, by name. */
export async function readSchedules(broker: Broker): Promise<ScheduleReport[]> {
  const fleet = await readFleet(broker, "list schedules");
  const schedules = [...fleet.schedules.values()].toSorted((a, b) => a.name < b.name ? -1 : 1);
  return await Promise.all(schedules.map((one) => report(one, fleet)));
}

async function report(schedule: Schedule, fleet: Fleet): Promise<ScheduleReport> {
  const { name, actorName, queueName, cron, timeZone, every } = schedule;
  const { state } = fleet.states.get(name) ?? {};
  const ticks = await ticksOf(schedule);
  return {
    name,
    actorName,
    queueName,
    cron,
    timeZone,
    every,
    isAlive: fleet.alive.has(name),
    paused: fleet.paused.has(name),
    reason: fleet.paused.get(name),
    nextAt: ticks.next(fleet.now),
    lastAt: state?.sentTick,
    lastMessageId: state?.messageId,
    sent: state?.sent ?? 0,
    skipped: state?.skipped ?? 0,
  };
}

/**
 * Refuses unknown names. A schedule is known if a worker declares it, or a state of it is stored.
 */
function assertKnownSchedule(fleet: Fleet, name: string, purpose: string): void {
  if (!fleet.states.has(name)) findSchedule(fleet, name, purpose);
}

function findSchedule({ schedules }: Fleet, name: string, purpose: string): Schedule {
  const schedule = schedules.get(name);
  if (schedule !== undefined) return schedule;
  const known = [...schedules.keys()].toSorted().join(", ") || "none";
  throw new RangeError(escapeText(
    `Cannot ${purpose} schedule ${showValue(name)}: no worker declares it; known are ${known}`,
  ));
}

/** Pauses a schedule on all workers. */
export async function pauseSchedule(
  broker: Broker,
  name: string,
  options: PauseScheduleOptions,
): Promise<void> {
  checkKnownOptions("pause a schedule", options, PAUSE_OPTIONS);
  const { reason } = options;
  if (reason !== undefined && typeof reason !== "string") {
    throw new TypeError(
      `Cannot pause schedule "${name}" for ${String(reason)}: it must be a string`,
    );
  }
  const fleet = await readFleet(broker, "pause a schedule");
  assertKnownSchedule(fleet, name, "pause");
  const value = { since: fleet.now, ...(reason !== undefined && { reason }) };
  await broker.controlStore!.change([{ key: SCHEDULE_PAUSE_PREFIX + name, value }]);
}

/** Resumes a schedule. @returns Whether it was paused. */
export async function resumeSchedule(broker: Broker, name: string): Promise<boolean> {
  const store = controlStoreOf(broker, "resume a schedule");
  for (let attempt = 0;; attempt++) {
    const fleet = await readFleet(broker, "resume a schedule");
    assertKnownSchedule(fleet, name, "resume");
    if (!fleet.paused.has(name)) return false;
    if (await resumeOnce(store, name, fleet) || attempt === ATTEMPTS) return true;
  }
}

/** Removes the pause, and skips the ticks up to now, also those while no worker was alive. */
async function resumeOnce(store: ControlStore, name: string, fleet: Fleet): Promise<boolean> {
  const changes: ControlChange[] = [{ key: SCHEDULE_PAUSE_PREFIX + name, value: null }];
  const { state, version = 0 } = fleet.states.get(name) ?? {};
  if (state !== undefined && state.tick < fleet.now) {
    const value = fromTickState({ ...state, tick: Math.floor(fleet.now) });
    changes.push({ key: TICK_PREFIX + name, value, ttl: TICK_TTL, ifVersion: version });
  }
  return (await store.change(changes)).applied;
}

/** Sends a message of a schedule now. @returns The message. */
export async function triggerSchedule(broker: Broker, name: string): Promise<Message> {
  const fleet = await readFleet(broker, "trigger a schedule");
  const { queueName, actorName, args, kwargs } = findSchedule(fleet, name, "trigger");
  return await broker.enqueue(
    new Message({
      queueName,
      actorName,
      args,
      ...(kwargs !== undefined && { kwargs }),
      options: { periodic: { name, tick: fleet.now } },
    }),
  );
}
