/**
 * Root of the errors of this library that an application handles, so that one `catch` can tell
 * them from its own.
 *
 * `MiddlewareError` and `Interrupt` stand outside, as in the reference: they steer the library, and
 * a `catch` for errors must not swallow them. Wrong arguments are plain `TypeError` (shape) or
 * `RangeError` (range).
 */
export class DramatiqError extends Error {
  // On the prototype, as that of built-in errors; spelled out, so that minifying keeps it.
  static {
    this.prototype.name = "DramatiqError";
  }
}

/** Bytes that are not a message, or not a value, of the encoder in use. */
export class DecodeError extends DramatiqError {
  static {
    this.prototype.name = "DecodeError";
  }

  /** Data that could not be decoded, untouched. */
  readonly data: string | Uint8Array;

  /**
   * Says what is wrong with some data.
   *
   * @param message What is wrong with the data.
   * @param data The data, exactly as it was received.
   * @param options The underlying error, as `cause`.
   */
  constructor(message: string, data: string | Uint8Array, options?: ErrorOptions) {
    super(message, options);
    this.data = data;
  }
}

/** Root of the errors that a broker raises. */
export class BrokerError extends DramatiqError {
  static {
    this.prototype.name = "BrokerError";
  }
}

/** No actor of that name is declared on the broker. */
export class ActorNotFound extends BrokerError {
  static {
    this.prototype.name = "ActorNotFound";
  }
}

/** No queue of that name is declared on the broker. */
export class QueueNotFound extends BrokerError {
  static {
    this.prototype.name = "QueueNotFound";
  }
}

/** A queue still held messages when the time given to `join` was over. */
export class QueueJoinTimeout extends DramatiqError {
  static {
    this.prototype.name = "QueueJoinTimeout";
  }
}

/**
 * Knowledge of a request whose connection failed: `"none"`, the server did not get it and
 * repeating it is safe; `"unknown"`, it was written, or may have been, and may take effect.
 */
export type DeliveryState = "none" | "unknown";

/** Options for {@linkcode BrokerConnectionError}. */
export interface ConnectionErrorOptions extends ErrorOptions {
  /** Delivery state of the request. @default {"unknown"} */
  delivery?: DeliveryState;
}

/**
 * Root of the errors of a connection to a server. Whether what was asked for may have happened
 * there all the same, `delivery` tells.
 *
 * Exported from the root entry as `ConnectionError`, dramatiq's name, too.
 *
 * @example Repeat only what cannot have arrived
 * ```ts
 * import { actor, BrokerConnectionError, setBroker, StubBroker } from "@dq/dramatiq";
 *
 * setBroker(new StubBroker());
 * const charge = actor(function charge(_order: number) {});
 * try {
 *   await charge.send(7);
 * } catch (error) {
 *   if (!(error instanceof BrokerConnectionError) || error.delivery === "unknown") throw error;
 *   await charge.send(7);
 * }
 * ```
 */
export class BrokerConnectionError extends BrokerError {
  static {
    this.prototype.name = "BrokerConnectionError";
  }

  /**
   * `"none"` if the server did not get the request: repeating it is safe. `"unknown"` if it
   * was written, or may have been, and no answer came: a message may run all the same. Of
   * several messages in one call, `"none"` means none of them.
   */
  readonly delivery: DeliveryState;

  /**
   * Says what failed.
   *
   * @param message What could not be done, and why.
   * @param options The underlying error as `cause`, and whether the request may have arrived.
   */
  constructor(message?: string, options: ConnectionErrorOptions = {}) {
    super(message, options);
    this.delivery = options.delivery ?? "unknown";
  }
}

/** A connection that stood was lost. */
export class ConnectionClosed extends BrokerConnectionError {
  static {
    this.prototype.name = "ConnectionClosed";
  }
}

/** A connection could not be made. */
export class ConnectionFailed extends BrokerConnectionError {
  static {
    this.prototype.name = "ConnectionFailed";
  }
}

/**
 * A server refuses what it was given, and will again: a message larger than it stores, a key of
 * another type. It has not been stored, and repeating the request does not help. Other messages
 * of the same call may have been stored.
 *
 * Refusals that end without any change to the request (no memory, no permission) are
 * {@linkcode ConnectionFailed}.
 */
export class RequestRejected extends BrokerError {
  static {
    this.prototype.name = "RequestRejected";
  }
}

/** A rate limiter refused, see `RateLimiter.acquire`. */
export class RateLimitExceeded extends DramatiqError {
  static {
    this.prototype.name = "RateLimitExceeded";
  }
}

/** A barrier was not created, or is forgotten, see `Barrier.wait`. */
export class BarrierNotFound extends DramatiqError {
  static {
    this.prototype.name = "BarrierNotFound";
  }
}

/** Options for {@linkcode Retry}. */
export interface RetryOptions extends ErrorOptions {
  /**
   * Milliseconds until the next attempt. It is taken as it stands: neither
   * `minBackoff` nor `maxBackoff` bounds it.
   *
   * @default {undefined} The usual backoff.
   */
  delay?: number;
}

/**
 * Thrown by an actor to be run again without that counting as a defect: the
 * worker logs it at level info. It does count against `maxRetries`.
 *
 * @example Come back in a minute
 * ```ts
 * import { actor, Retry, setBroker, StubBroker } from "@dq/dramatiq";
 *
 * setBroker(new StubBroker());
 *
 * export const download = actor(async function download(url: string) {
 *   const response = await fetch(url);
 *   if (response.status === 429) throw new Retry("rate limited", { delay: 60_000 });
 * });
 * ```
 */
export class Retry extends DramatiqError {
  static {
    this.prototype.name = "Retry";
  }

  /** Milliseconds until the next attempt; `undefined` for the usual backoff. */
  readonly delay: number | undefined;

  /**
   * Asks for another attempt.
   *
   * @param message Why the actor wants another attempt.
   * @param options The delay and the cause.
   */
  constructor(message = "", options: RetryOptions = {}) {
    super(message, options);
    this.delay = options.delay;
  }
}

/**
 * The actor ended the thread or process that it ran in: it called `process.exit()`, left an error
 * uncaught, or ran out of memory. The message is retried by the usual rules.
 */
export class ActorCrashed extends DramatiqError {
  static {
    this.prototype.name = "ActorCrashed";
  }
}

/**
 * Workers died while a message ran, each time with this message alone under suspicion: see the
 * actor option `maxDeaths`. It is the error of its dead letter.
 */
export class PoisonMessage extends DramatiqError {
  static {
    this.prototype.name = "PoisonMessage";
  }

  /** Number of workers that died. */
  readonly deaths: number;

  /**
   * Says why the message does not run any more.
   *
   * @param message The workers that died.
   * @param options Their number, and the cause.
   */
  constructor(message = "", options: ErrorOptions & { deaths?: number } = {}) {
    const { deaths = 0, ...others } = options;
    super(message, others);
    this.deaths = deaths;
  }
}

/**
 * Another message with the same unique key is there, and its actor says that this is an error: see
 * the actor option `unique`.
 */
export class DuplicateMessage extends DramatiqError {
  static {
    this.prototype.name = "DuplicateMessage";
  }

  /** Id of the message that is there. */
  readonly holder: string;

  /**
   * Says which message is there.
   *
   * @param message Why nothing was sent.
   * @param options The id of the message that is there, and the cause.
   */
  constructor(message = "", options: ErrorOptions & { holder?: string } = {}) {
    const { holder = "", ...others } = options;
    super(message, others);
    this.holder = holder;
  }
}

/**
 * Thrown by a middleware's `before…` hook to stop what is going on: declaring,
 * enqueueing or processing. Any other error in a hook is logged and ignored.
 *
 * It is no {@linkcode DramatiqError}, as in the reference.
 *
 * Source: `rules` in `tests/vectors/hooks.json`.
 */
export class MiddlewareError extends Error {
  static {
    this.prototype.name = "MiddlewareError";
  }
}

/**
 * Thrown in `beforeProcessMessage`, or by the actor, to drop a message: it is
 * acknowledged without further ado, or dead-lettered if `message.fail()` was
 * called before.
 */
export class SkipMessage extends MiddlewareError {
  static {
    this.prototype.name = "SkipMessage";
  }
}

/**
 * Thrown by a middleware in `afterProcessMessage`, `afterSkipMessage` or `beforeNack` when
 * something that must outlive the message could not be stored: its retry, the next message
 * of its pipeline, a callback, its result. The message is then not acknowledged.
 *
 * With a {@linkcode BrokerConnectionError} as the cause the message goes back to
 * its queue and runs again; with any other cause, {@linkcode RequestRejected} among them, it
 * is dead-lettered.
 */
export class FollowUpNotStored extends DramatiqError {
  static {
    this.prototype.name = "FollowUpNotStored";
  }
}
