import { VirtualClock } from "../../testing/virtual_clock.ts";
import { nextTurn } from "../../platform/runtime.ts";

/** Promise chains of the library end within one turn; a consumer may add one of its own. */
const TURNS_TO_SETTLE = 3;

/**
 * A clock that stands still until a test moves it, for the servers too. Between two timers it lets
 * promise callbacks run, so that what the first one started is under way when
 * the second one fires.
 */
export class FakeClock extends VirtualClock {
  /** True if servers go by it, too. */
  override readonly rulesServers: boolean;
  /** Milliseconds by which `jump` has changed it. */
  #jumped = 0;

  /**
   * @param now Where its hands stand, in milliseconds since the epoch.
   * @param rulesServers Whether servers go by it, too.
   */
  constructor(now = 1_600_000_000_000, rulesServers = true) {
    super(now);
    this.rulesServers = rulesServers;
  }

  /** Milliseconds since the epoch. */
  override now(): number {
    return super.now() + this.#jumped;
  }

  /** Milliseconds that do not jump. */
  monotonic(): number {
    return super.now();
  }

  /** Changes the time of day, as on a machine whose clock is set: no time passes. */
  jump(ms: number): void {
    this.#jumped += ms;
  }

  /** Lets everything run that does not wait for this clock. */
  async settle(): Promise<void> {
    for (let turn = 0; turn < TURNS_TO_SETTLE; turn++) await nextTurn();
  }

  /** Moves the hands, and makes the calls that become due on the way, in order. */
  async advance(ms: number): Promise<void> {
    const end = super.now() + ms;
    await this.settle();
    while (this.step(end)) await this.settle();
  }

  /**
   * Moves the hands to the next pending call and makes it.
   *
   * @throws If none is pending.
   */
  async advanceToNext(): Promise<void> {
    await this.settle();
    if (this.nextTimerAt === Infinity) throw new Error("Cannot advance: no timer is pending");
    await this.advance(this.nextTimerAt - super.now());
  }

  /**
   * Moves from timer to timer until a promise has settled.
   *
   * @returns What the promise resolves to.
   * @throws What it rejects with, or an error when there is nothing left to wait for.
   */
  async waitFor<T>(promise: Promise<T>): Promise<T> {
    let isSettled = false;
    const note = () => {
      isSettled = true;
    };
    promise.then(note, note);
    await this.settle();
    while (!isSettled) await this.advanceToNext();
    return await promise;
  }
}
