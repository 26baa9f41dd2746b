import { type Clock, monotonicTime } from "../platform/clock.ts";

/**
 * Lease of a worker on the messages that it has fetched. While its last heartbeat is younger than the
 * heartbeat timeout, no other worker recovers them.
 *
 * After a longer outage, or a longer block of its event loop, a worker must not start the messages it
 * has in flight, since another one may run them.
 *
 * none ─(first fetch or heartbeat)▶ held ─(timeout)▶ lost ─(consumers have failed: reset)▶ none
 *
 * Each fetch renews the heartbeat, too, so that no message is in flight without a lease.
 */
export class Lease {
  /** Milliseconds for which a heartbeat counts. */
  readonly duration: number;
  readonly #clock: Clock;
  /** Time of the last reset; this and the others are monotonic. */
  #resetAt = -Infinity;
  /** End of the lease; `Infinity` if there is none. */
  #endsAt = Infinity;
  #isLost = false;

  /**
   * Makes a lease that has not begun.
   *
   * @param clock The clock.
   * @param duration Milliseconds for which a heartbeat counts.
   */
  constructor(clock: Clock, duration: number) {
    this.#clock = clock;
    this.duration = duration;
  }

  /** The present monotonic time, for {@linkcode Lease.renew}. */
  get now(): number {
    return monotonicTime(this.#clock);
  }

  /** True if a heartbeat has reached the server, and the lease was not lost since. */
  get isHeld(): boolean {
    return this.#endsAt !== Infinity && !this.isLost;
  }

  /**
   * True from its end until the reset. A late heartbeat does not bring it back, since other workers may
   * have recovered the messages.
   */
  get isLost(): boolean {
    this.#isLost ||= this.#endsAt !== Infinity && this.now >= this.#endsAt;
    return this.#isLost;
  }

  /**
   * Notes a heartbeat that has reached the server. If its answer took longer than the heartbeat timeout,
   * the lease is lost: other workers may have recovered the messages that came with it.
   *
   * @param sentAt Time at which it was sent, by {@linkcode Lease.now}.
   */
  renew(sentAt: number): void {
    // A heartbeat from before the reset belongs to a consumer that has failed.
    if (sentAt < this.#resetAt || this.isLost) return;
    const endsAt = sentAt + this.duration;
    // Answers may arrive in another order: an earlier heartbeat does not shorten the lease.
    if (this.#endsAt === Infinity || endsAt > this.#endsAt) this.#endsAt = endsAt;
  }

  /** Starts over, after all consumers have failed. */
  reset(): void {
    this.#resetAt = this.now;
    this.#endsAt = Infinity;
    this.#isLost = false;
  }
}
