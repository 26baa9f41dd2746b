import type { Broker } from "../core/broker.ts";
import type { ControlStore } from "../core/control_store.ts";
import type { Schedule } from "../core/schedules.ts";
import type { FiringOutage } from "./firing_outage.ts";
import type { StoreClock } from "./store_clock.ts";

/** The scheduler, as its runners see it. */
export interface RunnerOwner {
  readonly broker: Broker;
  readonly store: ControlStore;
  readonly time: StoreClock;
  /** True if the definition of this worker counts, see `FleetSchedules.find`. */
  isInCharge(schedule: Schedule): boolean;
  /** See `FleetSchedules.lastSeen`. */
  lastSeen(name: string, timing: string): number | undefined;
  /** True if a schedule is paused, as far as this worker knows. */
  isPaused(name: string): boolean;
  readonly outage: FiringOutage;
}
