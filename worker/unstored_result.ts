import type { Actor } from "../core/actor.ts";
import type { Broker } from "../core/broker.ts";
import { getLogger } from "../platform/logging.ts";
import type { MessageProxy } from "../core/message_proxy.ts";

const log = /* @__PURE__ */ getLogger("worker");
/** Actors whose results were looked at once. */
const seen: WeakSet<Actor> = /* @__PURE__ */ new WeakSet();

/**
 * Warns, once for each actor, of results that nothing keeps: the broker has no `Results`.
 * (One that has warns of actors without `storeResults` itself.) A result that goes on to the next
 * message of a pipeline, or to `onSuccess`, is not lost.
 *
 * @param broker The broker.
 * @param message The message whose actor returned something.
 * @param actor The actor.
 */
export function warnOfUnstoredResult(broker: Broker, message: MessageProxy, actor: Actor): void {
  if (seen.has(actor) || (message.option("pipeTarget") ?? undefined) !== undefined) return;
  if (broker.getOption<unknown>(message, "onSuccess", undefined) !== undefined) return;
  seen.add(actor);
  if (broker.middleware.some(({ resultBackend }) => resultBackend !== undefined)) return;
  log.warn(
    "Actor {actor} returns results that are not stored: the broker has no Results middleware",
    {
      actor: actor.actorName,
    },
  );
}
