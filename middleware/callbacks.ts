import type { Broker } from "../core/broker.ts";
import { errorMessage, errorType } from "../platform/thrown.ts";
import type { MessageProxy } from "../core/message_proxy.ts";
import type { Middleware, ProcessOutcome } from "../core/middleware.ts";
import { sendFollowUp } from "./follow_up.ts";

/**
 * Sends messages to other actors when a message has succeeded or failed.
 *
 * - The actor `onSuccess` is sent the message, in wire form, and its result.
 * - The actor `onFailure` is sent the message, in wire form, and `{ type, message }` of the error, after
 *   every failed attempt, even if a retry follows.
 *
 * Source: group `callbacks` in `tests/vectors/retries.json`.
 *
 * @example Log failures
 * ```ts
 * import { actor, setBroker, StubBroker } from "@dq/dramatiq";
 *
 * setBroker(new StubBroker());
 *
 * const report = actor(function report(_message: unknown, error: { type: string }) {
 *   console.log(error.type);
 * });
 * const work = actor(function work() {}, { onFailure: report });
 * await work.send();
 * ```
 */
export class Callbacks implements Middleware {
  /** Names of the actor options that this middleware reads. */
  readonly actorOptions: readonly string[] = ["onSuccess", "onFailure"];

  /** Sends the callback for the outcome. */
  afterProcessMessage(
    broker: Broker,
    message: MessageProxy,
    { result, exception }: ProcessOutcome,
  ): void | Promise<void> {
    if (exception === undefined) {
      const onSuccess = broker.getOption<string | undefined>(message, "onSuccess", undefined);
      if (onSuccess !== undefined) return this.#send(broker, onSuccess, message, result ?? null);
    } else if (!message.snoozed) {
      const onFailure = broker.getOption<string | undefined>(message, "onFailure", undefined);
      if (onFailure !== undefined) {
        const error = { type: errorType(exception), message: errorMessage(exception) };
        return this.#send(broker, onFailure, message, error);
      }
    }
  }

  #send(
    broker: Broker,
    actorName: string,
    message: MessageProxy,
    argument: unknown,
  ): Promise<void> {
    return sendFollowUp(
      broker,
      `callback ${actorName}`,
      message,
      () => ({ message: broker.getActor(actorName).message(message.message.asDict(), argument) }),
    );
  }
}
