import type { Clock } from "../../core/clock.ts";
import { ConnectionClosed } from "../../core/errors.ts";

/**
 * A worker's hold on what it has fetched: as long as its heartbeat is younger than the
 * heartbeat timeout, nobody takes that over.
 *
 * A worker whose event loop stood still for longer, or that was cut off, must not start
 * what it has at hand: another one may be running it.
 */
export class Lease {
  readonly #clock: Clock;
  readonly #duration: number;
  /** Until when it holds; `Infinity` before the first heartbeat, and after a loss was told. */
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
    this.#duration = duration;
  }

  /**
   * Whether it has ended, and that was not yet told. A heartbeat that gets through late
   * does not undo that: somebody may have asked, and acted on the answer.
   */
  get isLost(): boolean {
    this.#isLost ||= this.#clock.now() >= this.#endsAt;
    return this.#isLost;
  }

  /** @param sentAt When the heartbeat was sent that the server now has. */
  renew(sentAt: number): void {
    this.#endsAt = sentAt + this.#duration;
  }

  /** Begins anew: whoever relied on it knows that it was lost, or nobody does. */
  reset(): void {
    this.#endsAt = Infinity;
    this.#isLost = false;
  }
}

/** Why a consumer of a broker fails whose lease was lost. */
export function leaseLost(queueName: string, duration: number): ConnectionClosed {
  return new ConnectionClosed(
    `Cannot go on with what was fetched from "${queueName}": no heartbeat got through for ` +
      `${duration} ms, so that other workers may have taken it over`,
  );
}
