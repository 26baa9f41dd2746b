import type { Middleware } from "./middleware.ts";
import type { Clock } from "../platform/clock.ts";
import type { Duration } from "../platform/duration.ts";
import type { Message } from "./message.ts";

/** Options that all brokers take. */
export interface BrokerOptions {
  /**
   * The middleware, in order.
   *
   * @default {defaultMiddleware()}
   */
  middleware?: readonly Middleware[];
  /** The time that delays, limits and backoffs go by. @default {systemClock} */
  clock?: Clock;
}

/** Position at which {@linkcode Broker.addMiddleware} inserts a middleware; at the end by default. */
export interface MiddlewarePosition {
  /** Before the one of this class. */
  before?: MiddlewareClass;
  /** After the one of this class. */
  after?: MiddlewareClass;
}

/** The class of a middleware. */
// deno-lint-ignore no-explicit-any -- whatever its constructor takes
export type MiddlewareClass = abstract new (...args: any[]) => Middleware;

/** Options of {@linkcode Broker.enqueue}. */
export interface EnqueueOptions {
  /** Delay of the message; 0 sends it through the delay queue, too. */
  delay?: Duration | undefined;
  /**
   * The message that this one follows from, as `prepareMessage` of the middleware gets it.
   * Retries, pipelines and callbacks set it.
   */
  cause?: Message | undefined;
  /** @internal True if it is a part of a group or pipeline: it asks for no claim. */
  isPart?: boolean;
  /**
   * Ends the wait when it aborts. The message is not withdrawn: it may arrive all the same, also
   * later, when the server is back.
   */
  signal?: AbortSignal | undefined;
}

/** Options of {@linkcode Broker.join}. */
export interface JoinOptions {
  /** Milliseconds to wait at most. @default {Infinity} */
  timeout?: number;
  /** Ends the wait when it aborts: `join` rejects with its reason. */
  signal?: AbortSignal;
}
