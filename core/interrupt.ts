import { assertKnownOptions, type KnownOptions } from "./known_options.ts";

/**
 * Base class of the reasons with which `currentSignal()` aborts. A message whose actor does not catch
 * it fails with it, and is retried by the usual rules.
 *
 * Not a `DramatiqError`, as in the reference: an actor that catches errors of the library must not
 * swallow its own interrupt.
 */
export class Interrupt extends Error {
  static {
    this.prototype.name = "Interrupt";
  }
}

/** The message ran longer than its `timeLimit`. */
export class TimeLimitExceeded extends Interrupt {
  static {
    this.prototype.name = "TimeLimitExceeded";
  }
}

/** Options for {@linkcode Cancelled}. */
export interface CancelledOptions extends ErrorOptions {
  /** Dead-letters the message instead of dropping it. @default {false} */
  keep?: boolean;
}

const CANCELLED_OPTIONS: KnownOptions<CancelledOptions> = { cause: true, keep: "boolean" };

/**
 * The message was cancelled, see `Control.cancel`, or by its actor, which throws this. It is not
 * retried, and dead-lettered only with `keep`.
 */
export class Cancelled extends Interrupt {
  static {
    this.prototype.name = "Cancelled";
  }

  /** True if the message is dead-lettered instead of dropped. */
  readonly keep: boolean;

  /**
   * Cancels the message of the actor that throws it.
   *
   * @param message The reason.
   * @param options The cause, and whether to dead-letter the message.
   * @throws {TypeError} If an option is not known, or of the wrong type.
   */
  constructor(message = "", options: CancelledOptions = {}) {
    assertKnownOptions("Cancelled", options, CANCELLED_OPTIONS);
    super(message, options);
    this.keep = options.keep ?? false;
  }
}

/** The worker is shutting down, and the actor has the option `notifyShutdown`. */
export class Shutdown extends Interrupt {
  static {
    this.prototype.name = "Shutdown";
  }
}

/**
 * The worker stopped waiting for the actor, or its thread or process was lost because of another
 * message. The message is requeued, and its retries stay the same.
 */
export class WorkerLost extends Interrupt {
  static {
    this.prototype.name = "WorkerLost";
  }
}
