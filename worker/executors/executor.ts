import type { Actor } from "../../core/actor.ts";
import type { Broker } from "../../core/broker.ts";
import type { Interrupt } from "../../core/interrupt.ts";
import type { MessageProxy } from "../../core/message_proxy.ts";

/**
 * One run of an actor, as an executor sees it. The executor tells the outcome by
 * one of the two methods; what it tells after that is ignored.
 *
 * Callbacks, not a promise: this is the hot path, and threads answer by message.
 */
export interface Run {
  /** Message to run. */
  readonly message: MessageProxy;
  /** Its actor. */
  readonly actor: Actor;
  /** True if its message was delivered to another consumer meanwhile: it need not run again. */
  readonly isStale?: boolean;
  /** True if the worker may die of it: it is to run in a thread or process of its own. */
  readonly isSuspect?: boolean;
  /** The actor returned. */
  succeed(result: unknown): void;
  /**
   * The actor threw, or was given up with the reason of its interrupt. A
   * `WorkerLost` says that it was none of its fault, and that it is to run again.
   */
  fail(error: unknown): void;
}

/** Runs actors, and can be told to stop one. */
export interface Executor {
  /** Number of messages it runs at once, at most. */
  readonly concurrency: number;

  /**
   * Changes {@linkcode Executor.concurrency}. Nothing that runs is stopped. An executor without it
   * stays as large as it is.
   *
   * @param concurrency A whole number above 0.
   */
  resize?(concurrency: number): void;

  /** Resolves, with the reason, when the process should be replaced. */
  readonly retired?: Promise<string>;

  /** Makes ready, and tells the middleware of each realm it has. */
  start(broker: Broker): void | Promise<void>;

  /** Runs an actor. Never throws: what goes wrong goes to `run.fail`. */
  run(run: Run): void;

  /**
   * Stops a run, whose signal has aborted: when the grace is over and it has not
   * settled, it is given up. May be called again, with less grace.
   *
   * @param run What to stop.
   * @param reason What to fail it with.
   * @param grace Milliseconds; `Infinity` leaves it to the actor.
   */
  interrupt(run: Run, reason: Interrupt, grace: number): void;

  /** Tells the middleware, and lets go. Nothing runs any more when it is called. */
  stop(): void | Promise<void>;
}
