import { type Clock, monotonicTime } from "../platform/clock.ts";

/**
 * A worker's hold on what it has fetched: as long as its heartbeat is younger than the
 * heartbeat timeout, nobody takes that over.
 *
 * A worker whose event loop stood still for longer, or that was cut off, must not start
 * what it has in flight: another one may be running it.
 *
 * none ─(first fetch or heartbeat)▶ held ─(time over)▶ lost ─(consumers told: reset)▶ none
 *
 * Each fetch renews the heartbeat as well, so that nothing is in flight without a lease.
 */
export class Lease {
  /** Milliseconds for which a heartbeat counts. */
  readonly duration: number;
  readonly #clock: Clock;
  /** When the present one may have begun at the earliest, by monotonic time like all here. */
  #resetAt = -Infinity;
  /** Until when it holds; `Infinity` while there is none. */
  #endsAt = Infinity;
  #isLost = false;

  /**
   * Makes a lease that has not begun.
   *
   * @param clock Tells the time.
   * @param duration Milliseconds for which a heartbeat counts.
   */
  constructor(clock: Clock, duration: number) {
    this.#clock = clock;
    this.duration = duration;
  }

  /** The present time, for {@linkcode Lease.renew}. */
  get now(): number {
    return monotonicTime(this.#clock);
  }

  /** True if a heartbeat has reached the server, and it was not lost since. */
  get isHeld(): boolean {
    return this.#endsAt !== Infinity && !this.isLost;
  }

  /**
   * True if it has ended, and that was not yet told. A heartbeat that gets through late
   * does not undo that: other workers may have taken over meanwhile.
   */
  get isLost(): boolean {
    this.#isLost ||= this.#endsAt !== Infinity && this.now >= this.#endsAt;
    return this.#isLost;
  }

  /**
   * Notes a heartbeat that has reached the server. One whose answer took longer than it counts
   * begins a lease that is lost: what came with it may be with other workers.
   *
   * @param sentAt When it was sent, by {@linkcode Lease.now}.
   */
  renew(sentAt: number): void {
    // One from before the reset belongs to a consumer that was told of the loss.
    if (sentAt < this.#resetAt || this.isLost) return;
    const endsAt = sentAt + this.duration;
    // Answers may come in another order: an earlier heartbeat does not shorten it.
    if (this.#endsAt === Infinity || endsAt > this.#endsAt) this.#endsAt = endsAt;
  }

  /** Begins anew, after its users know that it was lost. */
  reset(): void {
    this.#resetAt = this.now;
    this.#endsAt = Infinity;
    this.#isLost = false;
  }
}
