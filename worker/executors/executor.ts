import type { Actor } from "../../core/actor.ts";
import type { Broker } from "../../core/broker.ts";
import type { MessageProxy } from "../../core/message_proxy.ts";

/** Runs actors, and can be told to stop one. */
export interface Executor {
  /** How many messages it runs at once, at most. */
  readonly concurrency: number;

  /** Makes ready, and tells the middleware of each realm it has. */
  start(broker: Broker): void | Promise<void>;

  /**
   * Runs the actor of a message. It stops when `message.interrupt` is called: when the
   * grace is over, the message is given up with the reason of the interrupt.
   *
   * @param message What to run.
   * @param actor Its actor.
   * @returns What the actor returns: a promise, or the value itself if it is there.
   * @throws {WorkerLost} If the realm died of something else; the message is to run again.
   */
  run(message: MessageProxy, actor: Actor): unknown;

  /** Tells the middleware, and lets go. Nothing runs any more when it is called. */
  stop(): void | Promise<void>;
}
