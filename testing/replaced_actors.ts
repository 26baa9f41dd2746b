import { Actor } from "../core/actor.ts";
import type { AnyActor } from "../core/actor_options.ts";
import type { Broker } from "../core/broker.ts";
import { ConnectionClosed } from "../core/errors.ts";
import { currentBroker, exchangeBroker } from "../core/global_broker.ts";
import type { Middleware } from "../core/middleware.ts";
import { show } from "./differences.ts";
import { errorMessage } from "../platform/thrown.ts";

/** Brokers of tests that have actors of others, with the place in the code where they were made. */
const borrowers: WeakMap<AnyActor, string> = /* @__PURE__ */ new WeakMap();

/** Points actors at the broker of a test, and gives them back. */
export class ReplacedActors {
  readonly #broker: Broker;
  readonly #madeAt: string;
  readonly #moved: Map<AnyActor, Broker> = new Map();
  /** Undoes all else, the last first; only the very last one may throw. */
  readonly #undo: (() => void)[] = [];

  /**
   * Points at nothing yet.
   *
   * @param broker The broker of a test.
   * @param madeAt Where that was made, for texts.
   */
  constructor(broker: Broker, madeAt: string) {
    this.#broker = broker;
    this.#madeAt = madeAt;
  }

  /**
   * Points actors at the broker, and declares them there. None is pointed at it if one is refused.
   *
   * @throws {TypeError} If one of them is at the broker of another test, or this broker refuses it.
   */
  point(actors: Iterable<AnyActor>): void {
    try {
      for (const actor of actors) this.#point(actor);
    } catch (error) {
      this.#giveBack();
      throw error;
    }
  }

  /**
   * Takes the place of a broker: that of the process, if it is, and for actors declared from now on.
   *
   * @param other The broker.
   */
  takePlaceOf(other: Broker): void {
    const late: Middleware = {
      afterDeclareActor: (_, actor) => {
        if (!borrowers.has(actor)) this.#point(actor);
      },
    };
    const isGlobal = currentBroker() === other;
    other.addMiddleware(late);
    if (isGlobal) this.#undo.push(() => this.#takeIn(other));
    this.#undo.push(() => other.removeMiddleware(late));
    if (!isGlobal) return;
    exchangeBroker(this.#broker);
    this.#undo.push(() => {
      if (currentBroker() === this.#broker) exchangeBroker(other);
    });
  }

  /**
   * Puts everything back.
   *
   * @throws {TypeError} If an actor that was declared meanwhile is refused by the broker replaced.
   */
  putBack(): void {
    this.#giveBack();
    for (const undo of this.#undo.splice(0).reverse()) undo();
  }

  #point(actor: AnyActor): void {
    if (!((actor as unknown) instanceof Actor)) {
      throw new TypeError(
        `Cannot create TestBroker: actors must be actors, as actor() makes them, not ${
          show(actor)
        }`,
      );
    }
    const madeAt = borrowers.get(actor);
    if (madeAt !== undefined) {
      throw new TypeError(
        `Cannot use actor "${actor.actorName}" in a test: the TestBroker made ${madeAt} has it; ` +
          "close that first",
      );
    }
    this.#moved.set(actor, actor.broker);
    borrowers.set(actor, this.#madeAt);
    setBrokerOf(actor, this.#broker);
    this.#broker.declareActor(actor);
  }

  #giveBack(): void {
    for (const [actor, own] of this.#moved) {
      setBrokerOf(actor, own);
      borrowers.delete(actor);
    }
    this.#moved.clear();
  }

  /** Declares actors on the broker replaced that had no broker of their own, and so got this one. */
  #takeIn(other: Broker): void {
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
 * Refuses actors of other brokers, and what is no actor.
 *
 * @param broker The broker of a test.
 * @param actor The actor.
 * @param verb What the caller is about to do, for the text.
 * @returns Its name.
 * @throws {TypeError} If it is declared elsewhere.
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
 * Refuses names that no actor of a broker has.
 *
 * @param broker The broker of a test.
 * @param actorName The name.
 * @param verb What the caller is about to do, for the text.
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
 * Makes the error of a message that is sent by a broker of a test after its end.
 *
 * @param actorName The actor, which no other broker has.
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
 * Finds where a function was called, for texts.
 *
 * @param called The function.
 * @returns The line of the stack, such as `at file:///tests/a_test.ts:3:9`.
 */
// deno-lint-ignore ban-types -- as captureStackTrace has it
export function placeOfCall(called: Function): string {
  const trace: { stack?: string } = {};
  Error.captureStackTrace(trace, called);
  const line = trace.stack?.split("\n").find((one) => /^\s*at /.test(one));
  return line?.trim() ?? "elsewhere";
}

function setBrokerOf(actor: AnyActor, broker: Broker): void {
  (actor as { broker: Broker }).broker = broker;
}
