import type { AnyActor } from "../core/actor_options.ts";
import type { Broker } from "../core/broker.ts";
import { currentBroker, exchangeBroker } from "../core/global_broker.ts";

/** Brokers of tests that have actors of others. */
const borrowers: WeakMap<AnyActor, Broker> = /* @__PURE__ */ new WeakMap();

/**
 * Points actors at another broker, and declares them there.
 *
 * @param actors The actors.
 * @param broker The broker of a test.
 * @returns Points them at their own brokers again.
 * @throws {TypeError} If one of them is at the broker of another test, or the broker refuses it.
 */
export function pointActors(actors: Iterable<AnyActor>, broker: Broker): () => void {
  const moved: [actor: AnyActor, own: Broker][] = [];
  const putBack = () => {
    for (const [actor, own] of moved.splice(0)) {
      setBrokerOf(actor, own);
      borrowers.delete(actor);
    }
  };
  try {
    for (const actor of actors) {
      if (borrowers.has(actor)) {
        throw new TypeError(
          `Cannot use actor "${actor.actorName}" in a test: another TestBroker has it; close that first`,
        );
      }
      moved.push([actor, actor.broker]);
      borrowers.set(actor, broker);
      setBrokerOf(actor, broker);
      broker.declareActor(actor);
    }
  } catch (error) {
    putBack();
    throw error;
  }
  return putBack;
}

/**
 * Makes a broker that of this process, if another one is.
 *
 * @param other The broker whose place it takes.
 * @param broker The broker of a test.
 * @returns Puts the other one back.
 */
export function takePlace(other: Broker, broker: Broker): () => void {
  if (currentBroker() !== other) return () => {};
  exchangeBroker(broker);
  return () => {
    if (currentBroker() === broker) exchangeBroker(other);
  };
}

/**
 * Refuses actors of other brokers.
 *
 * @param broker The broker of a test.
 * @param actorName The actor.
 * @param actor The actor itself, if it is known.
 * @param verb What the caller is about to do, for the text.
 * @throws {TypeError} If it is declared elsewhere.
 */
export function assertDeclared(
  broker: Broker,
  actorName: string,
  actor: AnyActor | undefined,
  verb: string,
): void {
  if (actor === undefined ? broker.actors.has(actorName) : actor.broker === broker) return;
  throw new TypeError(
    `Cannot ${verb} actor "${actorName}": it is declared on another broker; ` +
      "give the TestBroker that as `replaces`, or the actor among its `actors`",
  );
}

function setBrokerOf(actor: AnyActor, broker: Broker): void {
  (actor as { broker: Broker }).broker = broker;
}
