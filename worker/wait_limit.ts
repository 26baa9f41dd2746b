import type { Clock, Timer } from "../platform/clock.ts";
import type { Settlement } from "./settlement.ts";

/** Milliseconds after which queues that were resumed have shown whether they have messages. */
const RESUME_INTERVAL = 50;

/** Parts of a worker that a {@linkcode WaitLimit} uses. */
export interface WaitLimitOptions {
  readonly clock: Clock;
  /** Milliseconds for which a message may wait; `Infinity` for any time. */
  readonly limit: number;
  /** Number of messages that run at once. */
  readonly concurrency: number;
  /** True if there is room to run another message. */
  hasFreeSlot(): boolean;
  /**
   * Requeues the messages that have waited since this period or an earlier one.
   *
   * @returns Their settlements, and whether no other message waits.
   */
  giveBack(period: number): { readonly sources: ReadonlySet<Settlement>; readonly isDone: boolean };
}

/**
 * Requeues messages that a worker has fetched and cannot start within the limit. Other workers may
 * have room for them, and RabbitMQ closes the channel of a message that stays unacknowledged.
 *
 * Nothing more is received from their queues until there is room:
 *
 * receiving ─(a message has waited too long)▶ paused ─(a slot is free and no message waits for it,
 *     or messages have ended in the last period)▶ receiving
 *
 * Time is counted in periods of half the limit, so that messages need no timers of their own.
 */
export class WaitLimit {
  readonly #options: WaitLimitOptions;
  #period = 0;
  #timer: Timer | undefined;
  /** Settlements of paused queues, in the order in which they were paused. */
  readonly #paused: Set<Settlement> = new Set();
  /** Number of queues to resume next. */
  #step: number;
  #resumeTimer: Timer | undefined;
  /** True if a message has ended in this period. */
  #hasProgress = false;

  /**
   * Makes a limit that watches nothing yet.
   *
   * @param options The limit, and how messages are requeued.
   */
  constructor(options: WaitLimitOptions) {
    this.#options = options;
    this.#step = options.concurrency;
  }

  /** Number of the present period. */
  get period(): number {
    return this.#period;
  }

  /** Starts to count: messages are waiting. */
  watch(): void {
    const { clock, limit, concurrency } = this.#options;
    this.#step = concurrency; // messages are waiting: no more queues are needed
    if (limit === Infinity || this.#timer !== undefined) return;
    this.#timer = clock.setTimer(() => this.#periodEnded(), limit / 2);
  }

  /** A message has ended, or there is room for another reason. */
  roomMade(): void {
    if (this.#paused.size === 0) return;
    this.#hasProgress = true;
    if (this.#options.hasFreeSlot() && this.#resumeTimer === undefined) this.#resume();
  }

  /** Stops its timers, and resumes all queues. */
  stop(): void {
    const { clock } = this.#options;
    clock.clearTimer(this.#timer);
    clock.clearTimer(this.#resumeTimer);
    this.#timer = this.#resumeTimer = undefined;
    for (const settlement of this.#paused) settlement.resumeReceiving();
    this.#paused.clear();
  }

  #periodEnded(): void {
    this.#timer = undefined;
    this.#period += 1;
    if (this.#hasProgress) this.#resume();
    this.#hasProgress = false;
    const { sources, isDone } = this.#options.giveBack(this.#period - 2);
    for (const settlement of sources) {
      settlement.pauseReceiving();
      this.#paused.add(settlement);
    }
    if (!isDone || this.#paused.size > 0) this.watch();
  }

  /** Resumes some queues and, as long as they bring nothing, twice as many each time. */
  #resume(): void {
    let left = this.#step;
    this.#step *= 2;
    for (const settlement of this.#paused) {
      if (left-- === 0) break;
      this.#paused.delete(settlement);
      settlement.resumeReceiving();
    }
    if (this.#paused.size === 0) return;
    this.#resumeTimer = this.#options.clock.setTimer(() => {
      this.#resumeTimer = undefined;
      if (this.#options.hasFreeSlot()) this.#resume();
    }, RESUME_INTERVAL);
  }
}
