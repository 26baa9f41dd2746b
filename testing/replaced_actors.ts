import { Actor } from "../core/actor.ts";
import type { AnyActor } from "../core/actor_options.ts";
import type { Broker } from "../core/broker.ts";
import { ConnectionClosed } from "../core/errors.ts";
import { currentBroker, exchangeBroker } from "../core/global_broker.ts";
import type { Middleware } from "../core/middleware.ts";
import { show } from "./differences.ts";
import { errorMessage } from "../platform/thrown.ts";

/** Borrowed actors, with the place in the code where the `TestBroker` that has them was made. */
const borrowed: WeakMap<AnyActor, string> = /* @__PURE__ */ new WeakMap();

/** Assigns actors of an application to the broker of a test, and restores them. */
export class ReplacedActors {
  readonly #broker: Broker;
  readonly #madeAt: string;
  /** Assigned actors, with their original brokers. */
  readonly #originals: Map<AnyActor, Broker> = new Map();
  /** Other actions to undo, run in reverse order. Only the one that runs last may throw. */
  readonly #undo: (() => void)[] = [];

  /**
   * Starts without actors.
   *
   * @param broker The broker of the test.
   * @param madeAt Where that was made, for errors.
   */
  constructor(broker: Broker, madeAt: string) {
    this.#broker = broker;
    this.#madeAt = madeAt;
  }

  /**
   * Assigns actors to the broker, and declares them there: all, or none if one is refused.
   *
   * @throws {TypeError} If another test has one of them, or this broker refuses it.
   */
  assign(actors: Iterable<AnyActor>): void {
    try {
      for (const actor of actors) this.#assign(actor);
    } catch (error) {
      this.#restoreActors();
      throw error;
    }
  }

  /**
   * Replaces a broker: for actors that are declared from now on, and as the global broker if it is
   * that.
   *
   * @param other The broker.
   */
  replace(other: Broker): void {
    const late: Middleware = {
      afterDeclareActor: (_, actor) => {
        if (!borrowed.has(actor)) this.#assign(actor);
      },
    };
    const isGlobal = currentBroker() === other;
    other.addMiddleware(late);
    if (isGlobal) this.#undo.push(() => this.#handOver(other));
    this.#undo.push(() => other.removeMiddleware(late));
    if (!isGlobal) return;
    exchangeBroker(this.#broker);
    this.#undo.push(() => {
      if (currentBroker() === this.#broker) exchangeBroker(other);
    });
  }

  /**
   * Restores everything.
   *
   * @throws {TypeError} If the replaced broker refuses an actor that was declared meanwhile.
   */
  restore(): void {
    this.#restoreActors();
    for (const undo of this.#undo.splice(0).reverse()) undo();
  }

  #assign(actor: AnyActor): void {
    if (!((actor as unknown) instanceof Actor)) {
      throw new TypeError(
        `Cannot create TestBroker: actors must be actors, as actor() makes them, not ${
          show(actor)
        }`,
      );
    }
    const madeAt = borrowed.get(actor);
    if (madeAt !== undefined) {
      throw new TypeError(
        `Cannot use actor "${actor.actorName}" in a test: the TestBroker made ${madeAt} has it; ` +
          "close that first",
      );
    }
    this.#originals.set(actor, actor.broker);
    borrowed.set(actor, this.#madeAt);
    setBrokerOf(actor, this.#broker);
    this.#broker.declareActor(actor);
  }

  #restoreActors(): void {
    for (const [actor, original] of this.#originals) {
      setBrokerOf(actor, original);
      borrowed.delete(actor);
    }
    this.#originals.clear();
  }

  /**
   * Hands actors that were declared on the global broker meanwhile, so on this one, to the replaced
   * one.
   */
  #handOver(other: Broker): void {
    const errors: TypeError[] = [];
    for (const actor of this.#broker.actors.values()) {
      if (actor.broker !== this.#broker || !Actor.isOfDefaultBroker(actor)) continue;
      setBrokerOf(actor, other);
      try {
        other.declareActor(actor);
      } catch (error) {
        const reason = errorMessage(error);
        errors.push(
          new TypeError(
            `Cannot give actor "${actor.actorName}" to the broker that the TestBroker replaced: ${reason}`,
            { cause: error },
          ),
        );
      }
    }
    if (errors.length > 0) throw errors[0];
  }
}

/**
 * Refuses actors of other brokers, and values that are not actors.
 *
 * @param broker The broker of a test.
 * @param actor The actor.
 * @param verb Completes the sentence "Cannot … actor".
 * @returns Its name.
 * @throws {TypeError} If it is declared on another broker, or not an actor.
 */
export function assertDeclared(broker: Broker, actor: unknown, verb: string): string {
  if (!(actor instanceof Actor)) {
    const what = typeof actor === "function"
      ? `function ${actor.name || "without a name"}`
      : actor === null || typeof actor !== "object"
      ? String(actor)
      : "an object";
    throw new TypeError(`Cannot ${verb} ${what}: it is not an actor, as actor() makes them`);
  }
  if (actor.broker === broker) return actor.actorName;
  throw new TypeError(
    `Cannot ${verb} actor "${actor.actorName}": it is declared on another broker; ` +
      "give the TestBroker that as `replaces`, or the actor among its `actors`",
  );
}

/**
 * Refuses names of actors that are not declared on a broker.
 *
 * @param broker The broker of a test.
 * @param actorName The name.
 * @param verb Completes the sentence "Cannot … actor".
 * @throws {TypeError} If there is no such actor.
 */
export function assertNameDeclared(broker: Broker, actorName: string, verb: string): void {
  if (broker.actors.has(actorName)) return;
  const names = [...broker.actors.keys()].join(", ") || "none";
  throw new TypeError(
    `Cannot ${verb} actor "${actorName}": no actor of that name is declared on the TestBroker; ` +
      `declared: ${names}`,
  );
}

/**
 * Makes the error for sending through the broker of a test after it was closed.
 *
 * @param actorName The actor, which was declared on that broker.
 * @returns The error.
 */
export function closedWith(actorName: string): ConnectionClosed {
  return new ConnectionClosed(
    `Cannot send to actor "${actorName}": it was declared while a TestBroker was open, ` +
      "and that is closed now",
    { delivery: "none" },
  );
}

/**
 * Finds where a function was called, for errors.
 *
 * @param called The function.
 * @returns The line of the stack, such as `at file:///tests/a_test.ts:3:9`.
 */
// deno-lint-ignore ban-types -- the type of captureStackTrace
export function placeOfCall(called: Function): string {
  const trace: { stack?: string } = {};
  Error.captureStackTrace(trace, called);
  const line = trace.stack?.split("\n").find((one) => /^\s*at /.test(one));
  return line?.trim() ?? "elsewhere";
}

function setBrokerOf(actor: AnyActor, broker: Broker): void {
  (actor as { broker: Broker }).broker = broker;
}
