import { type Clock, monotonicTime, type Timer } from "../../platform/clock.ts";
import type { Interrupt } from "../../core/interrupt.ts";
import type { Run } from "./executor.ts";

/** Minimum of milliseconds that a realm gets to confirm an interrupt. */
const CONFIRM_TIMEOUT = 250;

/** Grace period of an interrupted run. */
export interface GracePeriod {
  readonly reason: Interrupt;
  readonly grace: number;
  readonly endsAt: number;
  timer: Timer;
  /** True if the realm has confirmed that the signal has aborted. */
  isHeard: boolean;
}

/**
 * Grace periods of interrupted runs:
 *
 * interrupted ─▶ grace ─▶ over ─(confirmed only now)▶ grace, once more ─▶ over
 */
export class GracePeriods {
  readonly #clock: () => Clock;
  readonly #graceOver: (run: Run, period: GracePeriod) => void;
  readonly #gracePeriods: Map<Run, GracePeriod> = new Map();

  /**
   * Makes an empty collection.
   *
   * @param clock The clock of the broker, once there is one.
   * @param graceOver Called for a run that has not ended in time; its period is kept.
   */
  constructor(clock: () => Clock, graceOver: (run: Run, period: GracePeriod) => void) {
    this.#clock = clock;
    this.#graceOver = graceOver;
  }

  /** True if a run was interrupted. */
  has(run: Run): boolean {
    return this.#gracePeriods.has(run);
  }

  /** True if a grace period that begins now would end before the present one of a run. */
  isSooner(run: Run, grace: number): boolean {
    return monotonicTime(this.#clock()) + grace < this.#gracePeriods.get(run)!.endsAt;
  }

  /** Begins a grace period, which replaces the present one of the run. */
  begin(run: Run, reason: Interrupt, grace: number): void {
    const isHeard = this.#gracePeriods.get(run)?.isHeard ?? false;
    this.end(run);
    const clock = this.#clock();
    const period: GracePeriod = {
      reason,
      grace,
      endsAt: monotonicTime(clock) + grace,
      timer: clock.setTimer(() => this.#over(run), Math.max(grace, CONFIRM_TIMEOUT)),
      isHeard,
    };
    this.#gracePeriods.set(run, period);
  }

  /** Notes that the realm of a run has confirmed that the signal has aborted. */
  heard(run: Run): void {
    const period = this.#gracePeriods.get(run);
    if (period === undefined || period.isHeard) return;
    period.isHeard = true;
    const clock = this.#clock();
    // The realm was blocked until now: the run gets its grace period from here on.
    if (monotonicTime(clock) < period.endsAt || period.grace === Infinity) return;
    clock.clearTimer(period.timer);
    period.timer = clock.setTimer(() => this.#over(run), period.grace);
  }

  /** Removes the grace period of a run, if it has one. */
  end(run: Run): void {
    if (this.#gracePeriods.size === 0) return;
    const period = this.#gracePeriods.get(run);
    if (period === undefined) return;
    this.#gracePeriods.delete(run);
    this.#clock().clearTimer(period.timer);
  }

  /** Removes all grace periods. */
  endAll(): void {
    for (const run of [...this.#gracePeriods.keys()]) this.end(run);
  }

  #over(run: Run): void {
    const period = this.#gracePeriods.get(run);
    if (period !== undefined) this.#graceOver(run, period);
  }
}
