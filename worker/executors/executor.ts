import type { Actor } from "../../core/actor.ts";
import type { Broker } from "../../core/broker.ts";
import type { Interrupt } from "../../core/interrupt.ts";
import type { MessageProxy } from "../../core/message_proxy.ts";

/**
 * One run of an actor. The executor reports its end by calling `succeed` or `fail`; further calls are
 * ignored.
 *
 * Callbacks instead of a promise: this is the hot path, and threads answer by message.
 */
export interface Run {
  /** Message to run. */
  readonly message: MessageProxy;
  /** Its actor. */
  readonly actor: Actor;
  /** True if the message may have been delivered to another consumer: do not run it again. */
  readonly isStale?: boolean;
  /** True if a worker died while it ran: run it in a thread or process of its own. */
  readonly isSuspect?: boolean;
  /** The actor returned. */
  succeed(result: unknown): void;
  /**
   * The actor threw, or was abandoned for the reason of its interrupt. After a `WorkerLost` the
   * message is requeued.
   */
  fail(error: unknown): void;
}

/** Runs actors, and interrupts them. */
export interface Executor {
  /** Number of messages it runs at once, at most. */
  readonly concurrency: number;

  /**
   * Changes {@linkcode Executor.concurrency}, without stopping a run. An executor without this
   * method keeps its concurrency.
   *
   * @param concurrency A whole number above 0.
   */
  resize?(concurrency: number): void;

  /** Resolves, with the reason, when this process should be replaced. */
  readonly retired?: Promise<string>;

  /** Starts its realms, and calls `afterWorkerThreadBoot` in each. */
  start(broker: Broker): void | Promise<void>;

  /**
   * Has a `start` that waits for its realms resolve now: the worker is being stopped, and `stop`
   * follows. An executor without this method is waited for.
   */
  cancelStart?(): void;

  /** Runs an actor. Never throws: errors go to `run.fail`. */
  run(run: Run): void;

  /**
   * Interrupts a run: its signal aborts, and it is abandoned if it has not ended when the grace period
   * is over. May be called again, with a shorter one.
   *
   * @param run The run.
   * @param reason The error that it fails with.
   * @param grace Milliseconds; `Infinity` never abandons it.
   */
  interrupt(run: Run, reason: Interrupt, grace: number): void;

  /** Stops its realms, and calls `beforeWorkerThreadShutdown` in each. Called when nothing runs. */
  stop(): void | Promise<void>;
}
