import type { Broker } from "../core/broker.ts";
import { controlStoreOf } from "../core/cancellation.ts";
import type { ControlChange, ControlStore } from "../core/control_store.ts";
import { getBroker } from "../core/global_broker.ts";
import { assertKnownOptions, type KnownOptions } from "../core/known_options.ts";
import { Message } from "../core/message.ts";
import type { Kwargs } from "../core/message_dict.ts";
import { assertQueueName } from "../core/queue_names.ts";
import { checkSchedules, type PeriodicTimes, type Schedule } from "../core/schedules.ts";
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

/** Options of {@linkcode schedule}: when to send what to which actor. */
export interface ScheduleOptions extends PeriodicTimes {
  /** The actor, as its workers know it. */
  actorName: string;
  /** The queue that its workers serve. @default {"default"} */
  queueName?: string;
  /** Keyword arguments of each message, for an actor in Python. */
  kwargs?: Kwargs;
  /** The broker whose workers send it. @default {getBroker()} */
  broker?: Broker;
}

/** Options of `Control.pauseSchedule`. */
export interface PauseScheduleOptions {
  /** Why, for people to read. */
  reason?: string;
}

/** A schedule, as the fleet knows it. */
export interface ScheduleReport {
  /** Tells it from all others. */
  readonly name: string;
  /** The actor that its messages are for. */
  readonly actorName: string;
  /** The queue that they go to. */
  readonly queueName: string;
  /** The pattern; `undefined` for an interval. */
  readonly cron: string | undefined;
  /** The zone of the pattern. */
  readonly timeZone: string | undefined;
  /** Milliseconds; `undefined` for a pattern. */
  readonly every: number | undefined;
  /** True if a worker that is alive fires it. */
  readonly isAlive: boolean;
  /** True if it is paused. */
  readonly paused: boolean;
  /** The reason of the pause, if one was given. */
  readonly reason: string | undefined;
  /** The next time, in milliseconds since the epoch. It is skipped while the schedule is paused. */
  readonly nextAt: number | undefined;
  /** The time of the last message, as `nextAt`. */
  readonly lastAt: number | undefined;
  /** The last message. */
  readonly lastMessageId: string | undefined;
  /** Number of messages so far. */
  readonly sent: number;
  /** Number of times that were skipped. */
  readonly skipped: number;
}

const SCHEDULE_OPTIONS: KnownOptions<ScheduleOptions> = {
  actorName: true,
  queueName: true,
  kwargs: true,
  broker: true,
  cron: true,
  every: true,
};
const PAUSE_OPTIONS: KnownOptions<PauseScheduleOptions> = { reason: true };
/** Number of attempts to change a state that workers change, too. */
const ATTEMPTS = 20;

/**
 * Sends messages to an actor that is declared elsewhere, in Python for example, whenever they are due.
 * Workers of the broker do so, whatever their queues; they run nothing of that actor.
 *
 * Each tick sends a message, whether or not the last one has finished: that is not known here.
 *
 * @param options When to send what to which actor.
 * @throws {TypeError} If an option is of the wrong type, the name is taken, or the broker has no
 *   control store.
 * @throws {RangeError} If a value is out of range.
 *
 * @example Have an actor in Python run each night
 * ```ts
 * import { schedule, setBroker, StubBroker } from "@dq/dramatiq";
 *
 * setBroker(new StubBroker());
 * schedule({ actorName: "clean_up", cron: "0 3 * * *", kwargs: { days: 30 } });
 * ```
 */
export function schedule(options: ScheduleOptions): void {
  assertKnownOptions("schedule", options, SCHEDULE_OPTIONS);
  const { actorName, queueName = "default", kwargs, broker = getBroker(), ...times } = options;
  if (typeof actorName !== "string" || actorName === "") {
    throw new TypeError(`Cannot schedule actor ${JSON.stringify(actorName)}: it needs a name`);
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

/** Schedules of the fleet, and what is known of them. */
export interface Fleet {
  readonly now: number;
  /** Schedules that a live worker fires, and those that this process declares. */
  readonly schedules: ReadonlyMap<string, Schedule>;
  readonly alive: ReadonlySet<string>;
  readonly states: ReadonlyMap<string, VersionedState>;
  /** Why each is paused. */
  readonly paused: ReadonlyMap<string, string | undefined>;
}

/**
 * Reads what the control store knows of schedules.
 *
 * @param purpose What for: the end of "Cannot …".
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

/** Refuses an unknown name; a schedule with a stored state is known. */
function assertKnownSchedule(fleet: Fleet, name: string, purpose: string): void {
  if (!fleet.states.has(name)) findSchedule(fleet, name, purpose);
}

function findSchedule({ schedules }: Fleet, name: string, purpose: string): Schedule {
  const schedule = schedules.get(name);
  if (schedule !== undefined) return schedule;
  const known = [...schedules.keys()].toSorted().join(", ") || "none";
  throw new RangeError(
    `Cannot ${purpose} schedule ${JSON.stringify(name)}: no worker declares it; known are ${known}`,
  );
}

/** Pauses a schedule on all workers. */
export async function pauseSchedule(
  broker: Broker,
  name: string,
  options: PauseScheduleOptions,
): Promise<void> {
  assertKnownOptions("pauseSchedule", options, PAUSE_OPTIONS);
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

/** Resumes a schedule, from now on. @returns Whether it was paused. */
export async function resumeSchedule(broker: Broker, name: string): Promise<boolean> {
  const store = controlStoreOf(broker, "resume a schedule");
  for (let attempt = 0;; attempt++) {
    const fleet = await readFleet(broker, "resume a schedule");
    assertKnownSchedule(fleet, name, "resume");
    if (!fleet.paused.has(name)) return false;
    if (await resumeOnce(store, name, fleet) || attempt === ATTEMPTS) return true;
  }
}

/** Nothing that was due while it was paused is missed, also if no worker was alive. */
async function resumeOnce(store: ControlStore, name: string, fleet: Fleet): Promise<boolean> {
  const changes: ControlChange[] = [{ key: SCHEDULE_PAUSE_PREFIX + name, value: null }];
  const { state, version = 0 } = fleet.states.get(name) ?? {};
  if (state !== undefined && state.tick < fleet.now) {
    const value = fromTickState({ ...state, tick: Math.floor(fleet.now) });
    changes.push({ key: TICK_PREFIX + name, value, ttl: TICK_TTL, ifVersion: version });
  }
  return (await store.change(changes)).applied;
}

/** Sends the message of a schedule now. @returns The message. */
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
