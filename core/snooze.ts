import { type Duration, toMilliseconds } from "../platform/duration.ts";
import { DramatiqError } from "./errors.ts";

/** Options for {@linkcode Snooze}. */
export interface SnoozeOptions extends ErrorOptions {
  /**
   * Number of times the message may be snoozed at most; after that it fails. `null` lifts the limit.
   *
   * @default The option `maxSnoozes` of the message or its actor.
   */
  max?: number | null;
  /** Why, for logs. @default {""} */
  reason?: string;
}

/**
 * Thrown by an actor to be run again later, because it cannot do its work yet: it has not failed.
 * The worker logs it at level info. Retries, backoff and callbacks know nothing of it; snoozes are
 * counted apart, see `currentMessage().snoozes`.
 *
 * @example Wait until a payment has arrived
 * ```ts
 * import { actor, setBroker, Snooze, StubBroker } from "@dq/dramatiq";
 *
 * setBroker(new StubBroker());
 * const hasPaid = (_order: number) => false;
 *
 * export const ship = actor(function ship(order: number) {
 *   if (!hasPaid(order)) throw new Snooze({ minutes: 5 }, { max: 100 });
 * });
 * ```
 */
export class Snooze extends DramatiqError {
  static {
    this.prototype.name = "Snooze";
  }

  /** Milliseconds until the message runs again. */
  readonly delay: number;
  /** Number of times it may be snoozed at most; `undefined` if that is for the actor to say. */
  readonly max: number | null | undefined;

  /**
   * Asks to be run again later.
   *
   * @param delay How long to wait.
   * @param options How often at most, and why.
   * @throws {TypeError} If the delay is not a duration.
   * @throws {RangeError} If the delay is below 0, or `max` no whole number of 0 or more.
   */
  constructor(delay: Duration, options: SnoozeOptions = {}) {
    const { max, reason = "", ...others } = options;
    super(reason, others);
    this.delay = toMilliseconds(delay, "delay");
    if (!(this.delay >= 0)) {
      throw new RangeError(`Cannot snooze for ${this.delay} ms: it must be 0 or more`);
    }
    if (max !== undefined && max !== null && !(Number.isSafeInteger(max) && max >= 0)) {
      throw new RangeError(`Cannot snooze ${max} times at most: it must be a whole number`);
    }
    this.max = max;
  }
}
