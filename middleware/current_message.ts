import { currentMessage } from "../core/context.ts";
import type { Message } from "../core/message.ts";
import type { Middleware } from "../core/middleware.ts";

/**
 * The current message, under dramatiq's name, for code that is ported from Python.
 *
 * It works with or without this class in the list of middleware: see {@linkcode currentMessage}.
 *
 * @example Log the id of the current message
 * ```ts
 * import { actor, CurrentMessage, StubBroker } from "@dq/dramatiq";
 *
 * const broker = new StubBroker();
 * broker.addMiddleware(new CurrentMessage());
 * actor(function note() {
 *   console.log(CurrentMessage.getCurrentMessage()?.messageId);
 * }, { broker });
 * ```
 */
export class CurrentMessage implements Middleware {
  /**
   * The same as {@linkcode currentMessage}.
   *
   * @returns The message of the calling actor; `undefined` outside an actor.
   */
  static getCurrentMessage(): Message | undefined {
    return currentMessage();
  }
}
