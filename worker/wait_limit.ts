import type { Clock, Timer } from "../platform/clock.ts";
import type { Settlement } from "./settlement.ts";

/** Milliseconds after which queues that were given room have shown whether they need it. */
const LOOK_AGAIN = 50;

/** Worker, as a {@linkcode WaitLimit} sees it. */
export interface WaitLimitOptions {
  readonly clock: Clock;
  /** Milliseconds for which a message may wait; `Infinity` for any time. */
  readonly limit: number;
  /** Number of messages that run at once. */
  readonly concurrency: number;
  /** True if a message could start now, if there were one. */
  hasFreeSlot(): boolean;
  /**
   * Gives back the messages that wait since a period up to this one.
   *
   * @returns Where they came from; and whether there are others that wait.
   */
  giveBack(period: number): { readonly sources: ReadonlySet<Settlement>; readonly isDone: boolean };
}

/**
 * Has messages given back that a worker has fetched, and cannot begin for too long: others may
 * have room for them, and a server that counts the time takes them for stuck.
 *
 * A queue that had some given back is fetched from no more until there is room:
 *
 * flowing ─▶ (a message waits for too long) held ─▶ (a slot is free, and nothing waits for it;
 *     or a period has ended in which messages have) flowing
 *
 * Time is counted in periods of half the limit, so that no message needs a clock or a timer.
 */
export class WaitLimit {
  readonly #options: WaitLimitOptions;
  #period = 0;
  #timer: Timer | undefined;
  /** Queues from which nothing is fetched, the longest held first. */
  readonly #held: Set<Settlement> = new Set();
  /** Number of queues that flow next. */
  #step: number;
  #lookAgain: Timer | undefined;
  /** True if a message has ended in this period. */
  #hasProgress = false;

  /**
   * Makes one that watches nothing yet.
   *
   * @param options How long messages may wait, and how they are given back.
   */
  constructor(options: WaitLimitOptions) {
    this.#options = options;
    this.#step = options.concurrency;
  }

  /** The number of the present period: that of a message which begins to wait now. */
  get period(): number {
    return this.#period;
  }

  /** Some messages wait. */
  watch(): void {
    const { clock, limit, concurrency } = this.#options;
    this.#step = concurrency; // those that flow are enough
    if (limit === Infinity || this.#timer !== undefined) return;
    this.#timer = clock.setTimer(() => this.#periodEnded(), limit / 2);
  }

  /** A message has ended, or there is room for another reason. */
  roomMade(): void {
    if (this.#held.size === 0) return;
    this.#hasProgress = true;
    if (this.#options.hasFreeSlot() && this.#lookAgain === undefined) this.#release();
  }

  /** Watches no more, and lets all queues flow. */
  stop(): void {
    const { clock } = this.#options;
    clock.clearTimer(this.#timer);
    clock.clearTimer(this.#lookAgain);
    this.#timer = this.#lookAgain = undefined;
    for (const settlement of this.#held) settlement.goOn();
    this.#held.clear();
  }

  #periodEnded(): void {
    this.#timer = undefined;
    this.#period += 1;
    if (this.#hasProgress) this.#release();
    this.#hasProgress = false;
    const { sources, isDone } = this.#options.giveBack(this.#period - 2);
    for (const settlement of sources) {
      settlement.holdBack();
      this.#held.add(settlement);
    }
    if (!isDone || this.#held.size > 0) this.watch();
  }

  /** Lets some queues flow, and if they bring nothing, more and more of them. */
  #release(): void {
    let left = this.#step;
    this.#step *= 2;
    for (const settlement of this.#held) {
      if (left-- === 0) break;
      this.#held.delete(settlement);
      settlement.goOn();
    }
    if (this.#held.size === 0) return;
    this.#lookAgain = this.#options.clock.setTimer(() => {
      this.#lookAgain = undefined;
      if (this.#options.hasFreeSlot()) this.#release();
    }, LOOK_AGAIN);
  }
}
