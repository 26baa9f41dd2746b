import { currentMessage } from "../core/context.ts";
import type { Message } from "../core/message.ts";
import type { Middleware } from "../core/middleware.ts";

/**
 * Gives access to the message that an actor runs for, under dramatiq's name.
 *
 * The message is always there, with or without this in the list of middleware:
 * see {@linkcode currentMessage}. The class is for code that comes from Python.
 *
 * @example The message that an actor runs for
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
   * @returns The message that the calling actor runs for, `undefined` outside one.
   */
  static getCurrentMessage(): Message | undefined {
    return currentMessage();
  }
}
