import type { Actor } from "../../core/actor.ts";
import type { Broker } from "../../core/broker.ts";
import { getLogger } from "../../platform/logging.ts";
import type { CheckedOptions } from "./options.ts";
import { SHORTEST_WAY } from "./rungs.ts";

const log = /* @__PURE__ */ getLogger("rabbitmq");

/** Milliseconds for which a delayed message is held for its eta. */
const LONGEST_HOLD = 5_000;
/** Milliseconds after which a message that no worker slot is free for is better off elsewhere. */
const LONGEST_WAIT = 5_000;

/**
 * Longest time a worker may keep a message that it cannot begin: so that actors may run for most of
 * the consumer timeout, and others get it that are less busy. Each return counts against the
 * delivery limit of a quorum queue; there, none is given back without need.
 */
export function longestWait({ queueType, consumerTimeout }: CheckedOptions): number {
  return Math.min(queueType === "classic" ? LONGEST_WAIT : Infinity, consumerTimeout / 4);
}

/** Longest time a delayed message may be held; others go to the ladder. */
export function longestHold(consumerTimeout: number): number {
  return Math.max(SHORTEST_WAY, Math.min(LONGEST_HOLD, consumerTimeout / 4));
}

/**
 * Warns of an actor that may run for longer than RabbitMQ waits for it.
 *
 * @param broker The broker.
 * @param actor The actor.
 * @param consumerTimeout Milliseconds for which RabbitMQ waits.
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
