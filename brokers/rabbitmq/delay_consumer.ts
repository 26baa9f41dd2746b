import { type Timer, timeUntil } from "../../platform/clock.ts";
import { EtaHeap } from "../../platform/eta_heap.ts";
import { etaOf, type RabbitmqDelivery } from "./delivery.ts";
import { RabbitmqConsumer } from "./rabbitmq_consumer.ts";
import { noteName, rungFor, SHORTEST_WAY } from "./rungs.ts";

/** Milliseconds between two attempts to make room: each visits all held messages. */
const ROOM_INTERVAL = 50;

/** A message that is held until its eta. */
interface Held {
  readonly delivery: RabbitmqDelivery;
  readonly eta: number;
}

/**
 * Consumes a delay queue: messages are received when they are due.
 *
 * `queue.DQ` ─▶ due within seconds: held, until the timer ─▶ received, in order of eta
 *           └─▶ later: published to a rung of the ladder, which returns it in time
 *
 * Held messages count against the prefetch. When that is used up, those with the latest etas go to the
 * ladder, so that more urgent ones behind them can be delivered.
 */
export class RabbitmqDelayConsumer extends RabbitmqConsumer {
  readonly #held: EtaHeap<Held> = new EtaHeap();
  #timer: Timer | undefined;
  #timerAt = Infinity;
  /** Timer of the next attempt to make room. */
  #roomTimer: Timer | undefined;
  #roomAt = -Infinity;

  protected arrived(delivery: RabbitmqDelivery): void {
    const eta = etaOf(delivery.message);
    const left = eta - this.session.clock.now();
    if (left <= 0 && this.#held.size === 0) this.give(delivery);
    else if (left > this.session.longestHold) this.#send(delivery, left);
    else {
      this.#held.push({ delivery, eta });
      this.#setTimer();
      this.#makeRoomSoon();
    }
  }

  protected override letGo(): RabbitmqDelivery[] {
    for (const timer of [this.#timer, this.#roomTimer]) this.session.clock.clearTimer(timer);
    this.#timerAt = Infinity;
    this.#roomTimer = undefined;
    return this.#held.drain().map(({ delivery }) => delivery);
  }

  #send(delivery: RabbitmqDelivery, left: number): void {
    const { ladder, confirmedPublisher } = this.session;
    const { kind } = ladder;
    const rung = rungFor(this.queueName, left, kind);
    if (!ladder.isFresh(rung)) {
      // If this fails, so does the republishing, which is retried.
      confirmedPublisher.publish(noteName(this.queueName, kind), "there is a ladder").catch(
        () => {},
      );
    }
    this.republisher.add(delivery, rung);
  }

  #makeRoomSoon(): void {
    if (this.inFlight < this.prefetch || this.#roomTimer !== undefined) return;
    const { clock } = this.session;
    this.#roomTimer = clock.setTimer(() => {
      this.#roomTimer = undefined;
      this.#roomAt = clock.now() + ROOM_INTERVAL;
      if (this.inFlight < this.prefetch) return;
      this.#makeRoom();
      this.#makeRoomSoon();
    }, Math.max(0, this.#roomAt - clock.now()));
  }

  /** Republishes the later half of the held messages to the ladder, if their etas leave time for it. */
  #makeRoom(): void {
    const now = this.session.clock.now();
    const held = this.#held.drain();
    const near = held.filter(({ eta }) => eta < now + SHORTEST_WAY).length;
    const kept = near + ((held.length - near) >> 1);
    for (const one of held.slice(0, kept)) this.#held.push(one);
    for (const { delivery, eta } of held.slice(kept)) this.#send(delivery, eta - now);
  }

  #setTimer(): void {
    const { clock } = this.session;
    const nearest = this.#held.nextEta;
    if (nearest >= this.#timerAt) return;
    clock.clearTimer(this.#timer);
    this.#timerAt = nearest;
    this.#timer = clock.setTimer(() => {
      this.#timerAt = Infinity;
      this.#handOutDue();
    }, timeUntil(clock, nearest));
  }

  #handOutDue(): void {
    const now = this.session.clock.now();
    for (let due = this.#held.shiftDue(now); due !== undefined; due = this.#held.shiftDue(now)) {
      this.give(due.delivery);
    }
    this.#setTimer();
  }
}
