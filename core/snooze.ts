import { type Duration, toMilliseconds } from "../platform/duration.ts";
import { DramatiqError } from "./errors.ts";
import { assertKnownOptions, type KnownOptions } from "./known_options.ts";

/** Options for {@linkcode Snooze}. */
export interface SnoozeOptions extends ErrorOptions {
  /**
   * Maximum of snoozes of the message; then it fails. `null` for no limit.
   *
   * @default The option `maxSnoozes` of the message or its actor.
   */
  max?: number | null;
  /** Reason, for logs. @default {""} */
  reason?: string;
}

const SNOOZE_OPTIONS: KnownOptions<SnoozeOptions> = { cause: true, max: true, reason: "string" };

/**
 * Thrown by an actor that cannot do its work yet: the message runs again later, and has not failed. The
 * worker logs it at level info. A snooze does not count as a retry, has no backoff and calls no
 * callbacks. `currentMessage().snoozes` is the number of snoozes so far.
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
  /** Maximum of snoozes; `undefined` for the option `maxSnoozes` of the message or actor. */
  readonly max: number | null | undefined;

  /**
   * Asks to be run again later.
   *
   * @param delay Time until it runs again.
   * @param options The maximum of snoozes, and the reason.
   * @throws {TypeError} If the delay is not a duration, or an option is not known.
   * @throws {RangeError} If the delay is below 0, or `max` is not a whole number of 0 or more.
   */
  constructor(delay: Duration, options: SnoozeOptions = {}) {
    assertKnownOptions("Snooze", options, SNOOZE_OPTIONS);
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
