import type { Broker } from "../core/broker.ts";
import type { Schedule } from "../core/schedules.ts";
import type { TickState } from "./schedule_state.ts";
import { readFleet } from "./schedules.ts";
import { ticksOf, timingOf } from "./ticks.ts";

/** Delay of the message of a schedule. */
export interface ScheduleDelay {
  readonly name: string;
  /** Milliseconds since the first time that no worker has dealt with; 0 if there is none. */
  readonly late: number;
}

/**
 * Reads how late schedules are. Paused ones are left out, and those that no worker has begun.
 *
 * @throws {TypeError} If the broker has no control store.
 * @throws {BrokerConnectionError} If the control store cannot be reached.
 */
export async function readScheduleDelays(broker: Broker): Promise<ScheduleDelay[]> {
  const { schedules, states, paused, now } = await readFleet(broker, "read delays of schedules");
  const delays: ScheduleDelay[] = [];
  for (const [name, schedule] of schedules) {
    const { state } = states.get(name) ?? {};
    // With other times than before it begins anew.
    if (paused.has(name) || state?.timing !== timingOf(schedule)) continue;
    const dueAt = await dueAtOf(schedule, state);
    delays.push({ name, late: dueAt === undefined ? 0 : Math.max(0, now - dueAt) });
  }
  return delays.toSorted((a, b) => a.name < b.name ? -1 : 1);
}

/** The first time that was not dealt with, or whose message is still being published. */
async function dueAtOf(
  schedule: Schedule,
  { tick, sending, sentTick = tick }: TickState,
): Promise<number | undefined> {
  return sending === undefined ? (await ticksOf(schedule)).next(tick) : sentTick;
}
