import type { Clock, Timer } from "../core/clock.ts";
import type { Encoded } from "../core/encoder.ts";
import { Fifo } from "../core/fifo.ts";
import { Signal } from "../core/signal.ts";

/** A message in the memory of a `StubBroker`. */
export interface StoredMessage {
  /** The message as its encoder wrote it. */
  readonly data: Encoded;
  /** Milliseconds since the epoch before which it is not given out; 0 for at once. */
  readonly eta: number;
}

/**
 * One queue of a `StubBroker`: messages that are due, first in, first out, and
 * messages that are not, by their eta.
 *
 * Who waits for something to take is told; nothing polls.
 */
export class StubQueue {
  readonly #clock: Clock;
  readonly #ready: Fifo<StoredMessage> = new Fifo();
  readonly #delayed: EtaHeap = new EtaHeap();
  #unsettled = 0;
  readonly #changed: Signal = new Signal();
  readonly #onSettled: () => void;
  #timer: Timer | undefined;
  #timerAt = Infinity;

  /**
   * Makes an empty queue.
   *
   * @param clock Tells what is due.
   * @param onSettled Called when it may have become idle.
   */
  constructor(clock: Clock, onSettled: () => void) {
    this.#clock = clock;
    this.#onSettled = onSettled;
  }

  /** Whether it holds nothing and nothing that it gave out is unsettled. */
  get isIdle(): boolean {
    return this.#unsettled === 0 && this.#ready.size === 0 && this.#delayed.size === 0;
  }

  /** Adds a message at the end. */
  push(message: StoredMessage): void {
    if (message.eta > 0) this.#delayed.push(message);
    else this.#ready.push(message);
    this.#changed.tell();
  }

  /** Puts messages back where they were taken. */
  putBack(messages: readonly StoredMessage[]): void {
    this.#ready.unshift(messages);
    if (messages.length > 0) this.#changed.tell();
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

  /** Resolves when there may be something to take, or somebody called `wake`. */
  async changed(): Promise<void> {
    this.#setTimer(this.#delayed.nextEta);
    await this.#changed.next();
    if (!this.#changed.isAwaited) this.#setTimer(Infinity);
  }

  /** Has those who wait look again. */
  wake(): void {
    this.#changed.tell();
  }

  /** Notes that messages were acknowledged, dead-lettered or put back. */
  settled(count: number): void {
    this.#unsettled -= count;
    this.#onSettled();
  }

  /** Drops what has not been taken. */
  clear(): void {
    this.#ready.clear();
    this.#delayed.clear();
    this.#setTimer(Infinity);
    this.#onSettled();
  }

  /** One timer, for the nearest eta, and only while somebody waits. */
  #setTimer(eta: number): void {
    if (eta === this.#timerAt) return;
    if (this.#timer !== undefined) this.#clock.clearTimer(this.#timer);
    this.#timerAt = eta;
    this.#timer = eta === Infinity ? undefined : this.#clock.setTimer(() => {
      this.#timer = undefined;
      this.#timerAt = Infinity;
      this.#changed.tell();
    }, eta - this.#clock.now());
  }
}

/** Messages by eta, those of the same eta in the order they came: a binary heap. */
class EtaHeap {
  #items: { readonly message: StoredMessage; readonly order: number }[] = [];
  #count = 0;

  get size(): number {
    return this.#items.length;
  }

  /** The earliest eta, `Infinity` when there is none. */
  get nextEta(): number {
    return this.#items[0]?.message.eta ?? Infinity;
  }

  push(message: StoredMessage): void {
    const items = this.#items;
    items.push({ message, order: this.#count++ });
    let child = items.length - 1;
    while (child > 0) {
      const parent = (child - 1) >> 1;
      if (!this.#isBefore(child, parent)) return;
      this.#swap(child, parent);
      child = parent;
    }
  }

  /** Takes the earliest off if it is due. */
  shiftDue(now: number): StoredMessage | undefined {
    const items = this.#items;
    if (items.length === 0 || items[0]!.message.eta > now) return undefined;
    this.#swap(0, items.length - 1);
    const { message } = items.pop()!;
    let parent = 0;
    while (true) {
      let least = parent;
      for (const child of [2 * parent + 1, 2 * parent + 2]) {
        if (child < items.length && this.#isBefore(child, least)) least = child;
      }
      if (least === parent) return message;
      this.#swap(least, parent);
      parent = least;
    }
  }

  clear(): void {
    this.#items = [];
  }

  #isBefore(a: number, b: number): boolean {
    const left = this.#items[a]!;
    const right = this.#items[b]!;
    return left.message.eta < right.message.eta ||
      (left.message.eta === right.message.eta && left.order < right.order);
  }

  #swap(a: number, b: number): void {
    [this.#items[a], this.#items[b]] = [this.#items[b]!, this.#items[a]!];
  }
}
