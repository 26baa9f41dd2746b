import { type Clock, monotonicTime, type Timer } from "../../platform/clock.ts";
import type { Interrupt } from "../../core/interrupt.ts";
import type { Run } from "./executor.ts";

/** Milliseconds that a realm gets to answer an interrupt, at least. */
const HEARING = 250;

/** Deadline of a run that was interrupted. */
export interface GracePeriod {
  readonly reason: Interrupt;
  readonly grace: number;
  readonly endsAt: number;
  timer: Timer;
  /** True if its realm has said that the signal was aborted. */
  isHeard: boolean;
}

/**
 * The runs that were interrupted, until they end:
 *
 * interrupted ─▶ grace ─▶ over ─(heard only now)▶ grace, once more ─▶ over
 */
export class GracePeriods {
  readonly #clock: () => Clock;
  readonly #graceOver: (run: Run, stop: GracePeriod) => void;
  readonly #gracePeriods: Map<Run, GracePeriod> = new Map();

  /**
   * Has nothing to stop yet.
   *
   * @param clock Gives the time to go by.
   * @param graceOver Called for a run that has not ended in time; it is not forgotten yet.
   */
  constructor(clock: () => Clock, graceOver: (run: Run, stop: GracePeriod) => void) {
    this.#clock = clock;
    this.#graceOver = graceOver;
  }

  /** True if a run was interrupted before. */
  has(run: Run): boolean {
    return this.#gracePeriods.has(run);
  }

  /** True if a grace that begins now is over before the one that a run has. */
  isSooner(run: Run, grace: number): boolean {
    return monotonicTime(this.#clock()) + grace < this.#gracePeriods.get(run)!.endsAt;
  }

  /** Gives a run its grace, in place of the one that it has. */
  begin(run: Run, reason: Interrupt, grace: number): void {
    const isHeard = this.#gracePeriods.get(run)?.isHeard ?? false;
    this.end(run);
    const clock = this.#clock();
    const stop: GracePeriod = {
      reason,
      grace,
      endsAt: monotonicTime(clock) + grace,
      timer: clock.setTimer(() => this.#over(run), Math.max(grace, HEARING)),
      isHeard,
    };
    this.#gracePeriods.set(run, stop);
  }

  /** The realm of a run says that its signal was aborted. */
  heard(run: Run): void {
    const stop = this.#gracePeriods.get(run);
    if (stop === undefined || stop.isHeard) return;
    stop.isHeard = true;
    const clock = this.#clock();
    // It could not hear until now, and gets its grace from here on.
    if (monotonicTime(clock) < stop.endsAt || stop.grace === Infinity) return;
    clock.clearTimer(stop.timer);
    stop.timer = clock.setTimer(() => this.#over(run), stop.grace);
  }

  /** Forgets a run: it has ended, or is past stopping. */
  end(run: Run): void {
    if (this.#gracePeriods.size === 0) return;
    const stop = this.#gracePeriods.get(run);
    if (stop === undefined) return;
    this.#gracePeriods.delete(run);
    this.#clock().clearTimer(stop.timer);
  }

  /** Forgets all runs. */
  endAll(): void {
    for (const run of [...this.#gracePeriods.keys()]) this.end(run);
  }

  #over(run: Run): void {
    const stop = this.#gracePeriods.get(run);
    if (stop !== undefined) this.#graceOver(run, stop);
  }
}
