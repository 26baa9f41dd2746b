import type { Actor } from "../../core/actor.ts";
import type { Broker } from "../../core/broker.ts";
import { getLogger } from "../../platform/logging.ts";
import type { CheckedOptions } from "./options.ts";
import { SHORTEST_WAY } from "./rungs.ts";

const log = /* @__PURE__ */ getLogger("rabbitmq");

/** Maximum of milliseconds for which a delayed message is held in memory. */
const LONGEST_HOLD = 5_000;
/** Milliseconds after which a prefetched message that cannot begin is requeued for other workers. */
const LONGEST_WAIT = 5_000;

/**
 * Maximum time for which a worker may keep a message that it cannot begin, so that less busy workers
 * receive it, and actors may run for most of the consumer timeout. On a quorum queue, each requeue counts
 * against the delivery limit, so that only the consumer timeout bounds it.
 */
export function longestWait({ queueType, consumerTimeout }: CheckedOptions): number {
  return Math.min(queueType === "classic" ? LONGEST_WAIT : Infinity, consumerTimeout / 4);
}

/** Maximum time for which a delayed message may be held in memory; others go to the ladder. */
export function longestHold(consumerTimeout: number): number {
  return Math.max(SHORTEST_WAY, Math.min(LONGEST_HOLD, consumerTimeout / 4));
}

/**
 * Warns of an actor that may run for longer than the consumer timeout.
 *
 * @param broker The broker.
 * @param actor The actor.
 * @param consumerTimeout Consumer timeout of RabbitMQ, in milliseconds.
 */
export function warnOfTimeLimit(broker: Broker, actor: Actor, consumerTimeout: number): void {
  const byMiddleware = broker.middleware.find((one) => "timeLimit" in one) as
    | { timeLimit?: unknown }
    | undefined;
  const timeLimit = actor.options["timeLimit"] ?? byMiddleware?.timeLimit;
  if (typeof timeLimit !== "number" || timeLimit <= consumerTimeout) return;
  log.warn(
    "Actor {actor} may run for {timeLimit} ms, but after {consumerTimeout} ms RabbitMQ gives its " +
      "message to another worker, unless consumer_timeout is set higher there",
    { actor: actor.actorName, timeLimit, consumerTimeout },
  );
}
