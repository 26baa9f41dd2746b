import type { Broker } from "../core/broker.ts";
import type { Schedule } from "../core/schedules.ts";
import type { TickState } from "./schedule_state.ts";
import { readFleet } from "./schedules.ts";
import { ticksOf, timingOf } from "./ticks.ts";

/** Delay of a schedule. */
export interface ScheduleDelay {
  readonly name: string;
  /**
   * Milliseconds since its first time that is due and was neither sent nor skipped; 0 without one.
   */
  readonly late: number;
}

/**
 * Reads how late schedules are. Omits paused schedules, and those that no worker has fired yet.
 *
 * @throws {TypeError} If the broker has no control store.
 * @throws {BrokerConnectionError} If the control store cannot be reached.
 */
export async function readScheduleDelays(broker: Broker): Promise<ScheduleDelay[]> {
  const { schedules, states, paused, now } = await readFleet(broker, "read delays of schedules");
  const delays: ScheduleDelay[] = [];
  for (const [name, schedule] of schedules) {
    const { state } = states.get(name) ?? {};
    // A schedule whose timing has changed starts afresh.
    if (paused.has(name) || state?.timing !== timingOf(schedule)) continue;
    const dueAt = await dueAtOf(schedule, state);
    delays.push({ name, late: dueAt === undefined ? 0 : Math.max(0, now - dueAt) });
  }
  return delays.toSorted((a, b) => a.name < b.name ? -1 : 1);
}

/** The first time that was neither sent nor skipped, or whose message is being published. */
async function dueAtOf(
  schedule: Schedule,
  { tick, sending, sentTick = tick }: TickState,
): Promise<number | undefined> {
  return sending === undefined ? (await ticksOf(schedule)).next(tick) : sentTick;
}
