/**
 * The actors of `bench/redis_idle.ts`; each thread imports this.
 *
 * @module
 */
import { actor, type Broker, StubBroker } from "../../mod.ts";

/** Declares an actor that does nothing, on a queue. */
export function declareActor(broker: Broker, queueName: string) {
  return actor(() => {}, { broker, queueName, actorName: `nothing_${queueName}` });
}

/** The broker of a thread. */
export const broker: Broker = new StubBroker();
declareActor(broker, "queue0");
