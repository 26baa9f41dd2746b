import type { Actor } from "../core/actor.ts";
import type { Broker } from "../core/broker.ts";
import { Message } from "../core/message.ts";
import type { MessageProxy } from "../core/message_proxy.ts";
import { keepSpelling } from "../encoders/spelling.ts";
import type { Middleware, ProcessOutcome } from "../core/middleware.ts";
import { asNumber, checkBooleanOption } from "./options.ts";
import { sendFollowUp } from "./follow_up.ts";

/**
 * Sends the next message of a pipeline when a message has succeeded, with the result as its last argument.
 *
 * With `pipeIgnore` on a message, that message does not get the result of the one before. With
 * `pipeIgnore` on an actor, its result is not passed on.
 *
 * Source: `pipelines` in `tests/vectors/retries.json`.
 *
 * @example Each message gets the result of the one before
 * ```ts
 * import { actor, pipeline, StubBroker } from "@dq/dramatiq";
 *
 * await using broker = new StubBroker(); // `Pipelines` is in its default middleware
 * const fetchPage = actor(function fetchPage(url: string) {
 *   return `text of ${url}`;
 * }, { broker });
 * const count = actor(function count(text: string) {
 *   return text.length;
 * }, { broker });
 * await pipeline([fetchPage.message("https://example.com"), count.message()], { broker }).run();
 * ```
 */
export class Pipelines implements Middleware {
  /** Names of the actor options that this middleware reads. */
  readonly actorOptions: readonly string[] = ["pipeIgnore", "pipeTarget"];

  /** Refuses invalid options. */
  checkActorOptions(actor: Actor): void {
    checkBooleanOption(actor, "pipeIgnore");
  }

  /** Sends the next message. */
  afterProcessMessage(
    broker: Broker,
    message: MessageProxy,
    { result, exception }: ProcessOutcome,
  ): void | Promise<void> {
    if (exception !== undefined || message.failed) return;
    if (message.option("pipeTarget") === undefined) return;
    return this.#sendNext(broker, message, result);
  }

  async #sendNext(broker: Broker, message: MessageProxy, result: unknown): Promise<void> {
    // As it was received, so that numbers in later messages keep their spelling.
    const { pipe_target: target } = message.message.asDict().options;
    if (target === null) return;
    await sendFollowUp(broker, "the next message of the pipeline", message, () => {
      const next = Message.fromDict(target);
      const ignores = next.option("pipeIgnore") === true ||
        broker.actors.get(message.actorName)?.options["pipeIgnore"] === true;
      const delay = next.option("delay") ?? undefined;
      return {
        message: ignores
          ? next
          : next.copy({ args: keepSpelling(next.args, [...next.args, result ?? null]) }),
        // Without its delay the message would run too early.
        delay: delay === undefined ? undefined : asNumber("delay", delay),
      };
    });
  }
}
