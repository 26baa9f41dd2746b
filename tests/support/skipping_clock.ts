import type { Timer } from "../../platform/clock.ts";
import { nextTurn } from "../../platform/runtime.ts";
import { VirtualClock } from "../../testing/virtual_clock.ts";

/** Turns of the event loop after which only timers can make anything go on. */
const IDLE_TURNS = 3;
/** Milliseconds of the longest timer that is not waited for. Those of limits are longer. */
const LONGEST = 3_000;

/**
 * A clock for what waits for short timers only, in memory: it skips to the next one as soon as the
 * event loop has had some turns. Long timers never fire.
 */
export class SkippingClock extends VirtualClock {
  /** Number of timers that were set. */
  timersSet = 0;
  #isSkipping = false;

  /** Begins with the time of the machine. */
  constructor() {
    super(Date.now());
  }

  /** Calls back soon, if the time is short. */
  override setTimer(callback: () => void, ms: number): Timer {
    this.timersSet += 1;
    const timer = super.setTimer(callback, ms);
    if (!this.#isSkipping) void this.#skip();
    return timer;
  }

  async #skip(): Promise<void> {
    this.#isSkipping = true;
    while (this.nextTimerAt <= this.now() + LONGEST) {
      for (let turn = 0; turn < IDLE_TURNS; turn++) await nextTurn();
      if (this.nextTimerAt <= this.now() + LONGEST) this.step(this.nextTimerAt);
    }
    this.#isSkipping = false;
  }
}
