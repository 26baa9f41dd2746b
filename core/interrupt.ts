/**
 * Root of the reasons with which a running message's `AbortSignal` aborts. An
 * actor that does not catch it fails with it, and is retried by the usual rules.
 *
 * It is no `DramatiqError`, as in the reference: an actor that handles the errors of the library
 * must not swallow its own interrupt.
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
  /** True if the message goes to the dead letters instead of being dropped. @default {false} */
  keep?: boolean;
}

/**
 * The message was cancelled, see `Control.cancel`; or its actor throws this to cancel it. It is
 * neither retried nor, unless it is to be kept, dead-lettered.
 */
export class Cancelled extends Interrupt {
  static {
    this.prototype.name = "Cancelled";
  }

  /** True if the message goes to the dead letters instead of being dropped. */
  readonly keep: boolean;

  /**
   * Cancels the message of the actor that throws it.
   *
   * @param message Why.
   * @param options The cause, and whether the message is kept.
   */
  constructor(message = "", options: CancelledOptions = {}) {
    super(message, options);
    this.keep = options.keep ?? false;
  }
}

/** The worker is shutting down, and the actor asked to be told (`notifyShutdown`). */
export class Shutdown extends Interrupt {
  static {
    this.prototype.name = "Shutdown";
  }
}

/**
 * The realm of a message is gone: the worker stopped waiting for it, or its thread
 * or process died of another message. It is given back and runs again as if
 * nothing had happened.
 */
export class WorkerLost extends Interrupt {
  static {
    this.prototype.name = "WorkerLost";
  }
}
