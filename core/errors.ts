import { assertKnownOptions, type KnownOptions } from "./known_options.ts";

/**
 * Base class of the errors of this library that an application handles.
 *
 * `MiddlewareError` and `Interrupt` do not extend it, as in the reference: they control the library, and a
 * `catch` for its errors must not swallow them. Invalid arguments are a `TypeError` (shape) or a
 * `RangeError` (range).
 */
export class DramatiqError extends Error {
  // On the prototype, as for built-in errors; as a string, so that minifiers keep it.
  static {
    this.prototype.name = "DramatiqError";
  }
}

/** Data that the encoder cannot decode, or that is not a message. */
export class DecodeError extends DramatiqError {
  static {
    this.prototype.name = "DecodeError";
  }

  /** Data that could not be decoded, untouched. */
  readonly data: string | Uint8Array;

  /**
   * Makes an error.
   *
   * @param message The reason.
   * @param data The data, as it was received.
   * @param options The underlying error, as `cause`.
   */
  constructor(message: string, data: string | Uint8Array, options?: ErrorOptions) {
    super(message, options);
    this.data = data;
  }
}

/** Base class of the errors of brokers. */
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

/** A queue was not idle after the timeout of `join`. */
export class QueueJoinTimeout extends DramatiqError {
  static {
    this.prototype.name = "QueueJoinTimeout";
  }
}

/**
 * Delivery state of a request whose connection failed: `"none"` if the server did not get it, so that
 * repeating it is safe; `"unknown"` if it may have been written, and may take effect.
 */
export type DeliveryState = "none" | "unknown";

/** Options for {@linkcode BrokerConnectionError}. */
export interface ConnectionErrorOptions extends ErrorOptions {
  /** Delivery state of the request. @default {"unknown"} */
  delivery?: DeliveryState;
}

/**
 * Base class of the errors of a connection to a server. `delivery` says whether the request may have taken
 * effect.
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
   * `"none"` if the server did not get the request, so that repeating it is safe. `"unknown"` if it may have
   * been written and was not answered: a message may still run. For several messages in one call,
   * `"none"` applies to all of them.
   */
  readonly delivery: DeliveryState;

  /**
   * Makes an error.
   *
   * @param message The reason.
   * @param options The underlying error as `cause`, and the delivery state.
   */
  constructor(message?: string, options: ConnectionErrorOptions = {}) {
    super(message, options);
    this.delivery = options.delivery ?? "unknown";
  }
}

/** A connection was lost, or closed. */
export class ConnectionClosed extends BrokerConnectionError {
  static {
    this.prototype.name = "ConnectionClosed";
  }
}

/** A connection could not be opened, or the server refuses for now. */
export class ConnectionFailed extends BrokerConnectionError {
  static {
    this.prototype.name = "ConnectionFailed";
  }
}

/**
 * A server will always refuse the request: the message is too large, or a key has another type. It was not
 * stored, and repeating it does not help. Other messages of the same call may have been stored.
 *
 * If the server may accept the same request later (no memory, no permission), the error is
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

/** A barrier was not created, or has expired, see `Barrier.wait`. */
export class BarrierNotFound extends DramatiqError {
  static {
    this.prototype.name = "BarrierNotFound";
  }
}

/** Options for {@linkcode Retry}. */
export interface RetryOptions extends ErrorOptions {
  /**
   * Milliseconds until the next attempt, regardless of `minBackoff` and `maxBackoff`.
   *
   * @default {undefined} The usual backoff.
   */
  delay?: number;
}

const RETRY_OPTIONS: KnownOptions<RetryOptions> = { cause: true, delay: "number" };

/**
 * Thrown by an actor that wants a retry which is not a defect: the worker logs it at level info. It counts
 * for `maxRetries`.
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
   * Requests another attempt.
   *
   * @param message The reason.
   * @param options The delay and the cause.
   * @throws {TypeError} If an option is not known.
   */
  constructor(message = "", options: RetryOptions = {}) {
    assertKnownOptions("Retry", options, RETRY_OPTIONS);
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
   * Makes an error.
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
 * There is another message with the same unique key, and the actor option `unique` has
 * `onDuplicate: "throw"`.
 */
export class DuplicateMessage extends DramatiqError {
  static {
    this.prototype.name = "DuplicateMessage";
  }

  /** Id of the other message. */
  readonly holder: string;

  /**
   * Makes an error.
   *
   * @param message The reason.
   * @param options The id of the other message, and the cause.
   */
  constructor(message = "", options: ErrorOptions & { holder?: string } = {}) {
    const { holder = "", ...others } = options;
    super(message, others);
    this.holder = holder;
  }
}

/**
 * Thrown by a `before…` hook of a middleware to stop a declaration, an enqueue or the processing of a
 * message. Other errors of hooks are logged and ignored.
 *
 * Not a {@linkcode DramatiqError}, as in the reference.
 *
 * Source: `rules` in `tests/vectors/hooks.json`.
 */
export class MiddlewareError extends Error {
  static {
    this.prototype.name = "MiddlewareError";
  }
}

/**
 * Thrown by `beforeProcessMessage`, or by the actor, to drop a message: it is acknowledged, or dead-lettered
 * if `message.fail()` was called before.
 */
export class SkipMessage extends MiddlewareError {
  static {
    this.prototype.name = "SkipMessage";
  }
}

/**
 * Thrown by a middleware in `afterProcessMessage`, `afterSkipMessage` or `beforeNack` when a follow-up of the
 * message could not be stored: its retry, the next message of its pipeline, a callback, its result. The
 * message is not acknowledged then.
 *
 * If the cause is a {@linkcode BrokerConnectionError}, the message is requeued and runs again; with any other
 * cause, such as {@linkcode RequestRejected}, it is dead-lettered.
 */
export class FollowUpNotStored extends DramatiqError {
  static {
    this.prototype.name = "FollowUpNotStored";
  }
}
