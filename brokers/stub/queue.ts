import { type Clock, type Timer, timeUntil } from "../../platform/clock.ts";
import type { Encoded } from "../../encoders/encoder.ts";
import { EtaHeap } from "../../platform/eta_heap.ts";
import { Fifo } from "../../platform/fifo.ts";
import type { Suspicion } from "../../core/suspicion.ts";
import { Notifier } from "../../platform/notifier.ts";

/** A message in the memory of a `StubBroker`. */
export interface StoredMessage {
  /** The encoded message. */
  readonly data: Encoded;
  /** Milliseconds since the epoch before which it is not delivered; 0 for at once. */
  readonly eta: number;
  /** Set if it was unacknowledged when its consumer was lost: see `loseConsumers`. */
  suspicion?: Suspicion;
  /** True while a suspect runs. */
  isMarked?: boolean;
}

/**
 * One queue of a `StubBroker`: messages that are due, first in, first out, and delayed messages, by
 * their eta.
 *
 * Waiting consumers are notified; nothing polls.
 */
export class StubQueue {
  readonly #clock: Clock;
  readonly #ready: Fifo<StoredMessage> = new Fifo();
  readonly #delayed: EtaHeap<StoredMessage> = new EtaHeap();
  #unsettled = 0;
  readonly #changed: Notifier = new Notifier();
  readonly #onSettled: () => void;
  #timer: Timer | undefined;
  #timerAt = Infinity;

  /**
   * Makes an empty queue.
   *
   * @param clock The clock for etas.
   * @param onSettled Called when it may have become idle.
   */
  constructor(clock: Clock, onSettled: () => void) {
    this.#clock = clock;
    this.#onSettled = onSettled;
  }

  /** True if it has no messages, unsettled ones included. */
  get isIdle(): boolean {
    return this.#unsettled === 0 && this.#ready.size === 0 && this.#delayed.size === 0;
  }

  /** When the next message can be taken, in milliseconds since the epoch; `Infinity` if there is none. */
  get nextDue(): number {
    return this.#ready.size > 0 ? 0 : this.#delayed.nextEta;
  }

  /** Numbers of messages that are due, delayed, and unsettled. */
  get counts(): { ready: number; delayed: number; unacknowledged: number } {
    return {
      ready: this.#ready.size,
      delayed: this.#delayed.size,
      unacknowledged: this.#unsettled,
    };
  }

  /** The first messages that are due, in order. */
  peekReady(limit: number): StoredMessage[] {
    return this.#ready.peek(limit);
  }

  /** Delayed messages, in no order. */
  peekDelayed(limit: number): StoredMessage[] {
    return this.#delayed.peek(limit);
  }

  /** Removes one message that has not been taken; false if there is no such message. */
  remove(message: StoredMessage): boolean {
    const isRemoved = this.#ready.takeWhere((one) => one === message).length > 0 ||
      this.#delayed.delete(message);
    if (isRemoved) this.#onSettled();
    return isRemoved;
  }

  /** Adds a message at the end. */
  push(message: StoredMessage): void {
    if (message.eta > 0) this.#delayed.push(message);
    else this.#ready.push(message);
    this.#changed.notify();
  }

  /** Puts taken messages back at the front. */
  putBack(messages: readonly StoredMessage[]): void {
    this.#ready.unshift(messages);
    if (messages.length > 0) this.#changed.notify();
  }

  /** Takes at most `limit` messages that are due. */
  take(limit: number): StoredMessage[] {
    const taken: StoredMessage[] = [];
    while (taken.length < limit) {
      const message = this.#ready.shift() ?? this.#delayed.shiftDue(this.#clock.now());
      if (message === undefined) break;
      taken.push(message);
    }
    this.#unsettled += taken.length;
    return taken;
  }

  /** Resolves when there may be a message, or `wake` was called. */
  async changed(): Promise<void> {
    this.#setTimer(this.#delayed.nextEta);
    await this.#changed.next();
    if (!this.#changed.isAwaited) this.#setTimer(Infinity);
  }

  /** Wakes all waiting consumers. */
  wake(): void {
    this.#changed.notify();
  }

  /** Notes that messages were acknowledged, dead-lettered or requeued. */
  settled(count: number): void {
    this.#unsettled -= count;
    this.#onSettled();
  }

  /** Drops all messages that have not been taken. */
  clear(): void {
    this.#ready.clear();
    this.#delayed.clear();
    this.#setTimer(Infinity);
    this.#onSettled();
  }

  /** Sets the only timer, which is for the next eta, while a consumer waits. */
  #setTimer(eta: number): void {
    if (eta === this.#timerAt) return;
    if (this.#timer !== undefined) this.#clock.clearTimer(this.#timer);
    this.#timerAt = eta;
    this.#timer = eta === Infinity ? undefined : this.#clock.setTimer(() => {
      this.#timer = undefined;
      this.#timerAt = Infinity;
      this.#changed.notify();
    }, timeUntil(this.#clock, eta));
  }
}
