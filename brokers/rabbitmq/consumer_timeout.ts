import type { Actor } from "../../core/actor.ts";
import type { Broker } from "../../core/broker.ts";
import { getLogger } from "../../core/logging.ts";

const log = getLogger("rabbitmq");

/**
 * Milliseconds after which RabbitMQ takes a message back that nobody settled, and closes the
 * channel. It is a setting that no client is told; this is the default ("Consumers", Delivery
 * Acknowledgement Timeout).
 */
const CONSUMER_TIMEOUT = 1_800_000;

/** Warns of an actor that may run for longer than RabbitMQ waits for it. */
export function warnOfTimeLimit(broker: Broker, actor: Actor): void {
  const byMiddleware = broker.middleware.find((one) => "timeLimit" in one) as
    | { timeLimit?: unknown }
    | undefined;
  const timeLimit = actor.options["timeLimit"] ?? byMiddleware?.timeLimit;
  if (typeof timeLimit !== "number" || timeLimit <= CONSUMER_TIMEOUT) return;
  log.warn(
    "Actor {actor} may run for {timeLimit} ms, but after {consumerTimeout} ms RabbitMQ gives its " +
      "message to another worker, unless consumer_timeout is set higher there",
    { actor: actor.actorName, timeLimit, consumerTimeout: CONSUMER_TIMEOUT },
  );
}
