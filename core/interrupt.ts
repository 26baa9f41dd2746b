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

/** The worker is shutting down, and the actor asked to be told (`notifyShutdown`). */
export class Shutdown extends Interrupt {
  static {
    this.prototype.name = "Shutdown";
  }
}

/**
 * Where the message ran is gone: the worker stopped waiting for it, or its thread
 * or process died of another message. It is given back and runs again as if
 * nothing had happened.
 */
export class WorkerLost extends Interrupt {
  static {
    this.prototype.name = "WorkerLost";
  }
}
