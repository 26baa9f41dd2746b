import { actorNameOf } from "./actor_name.ts";
import type { ActorFunction, ActorOptions } from "./actor_options.ts";

/** Options of a class-based actor, and whether it is a base for others only. */
export interface GenericActorMeta extends ActorOptions {
  /** A base class: it cannot become an actor itself. Not inherited. */
  abstract?: boolean;
}

/**
 * Base of actors that are classes. A subclass inherits the `meta` of its bases and
 * overrides it option by option.
 *
 * @example A base with a queue of its own
 * ```ts
 * import { actor, GenericActor, type GenericActorMeta, setBroker, StubBroker } from "@dq/dramatiq";
 *
 * setBroker(new StubBroker());
 *
 * abstract class ImageActor extends GenericActor {
 *   static override meta: GenericActorMeta = { abstract: true, queueName: "images" };
 * }
 *
 * class Resize extends ImageActor {
 *   static override meta: GenericActorMeta = { maxRetries: 2 };
 *   perform(path: string, width: number): string {
 *     return `${path}@${width}`;
 *   }
 * }
 *
 * const resize = actor(Resize); // "Resize" on the queue "images"
 * await resize.send("a.png", 640);
 * ```
 */
export abstract class GenericActor {
  /** The options of the actor. @default {{}} */
  static meta: GenericActorMeta = { abstract: true };

  /** Body of the actor. */
  // deno-lint-ignore no-explicit-any -- subclasses say what they take
  abstract perform(...args: any[]): unknown;
}

/** @returns Whether a class, rather than a plain function, was given. */
export function isGenericActorClass(value: unknown): value is new () => GenericActor {
  return typeof value === "function" &&
    (value === GenericActor || value.prototype instanceof GenericActor);
}

/**
 * @param actorClass A subclass of {@linkcode GenericActor}.
 * @param overrides Options that win over its `meta`.
 * @returns The function of the class, and its options.
 * @throws {TypeError} If it is abstract, or its options are in `Meta`, as in Python.
 */
export function toFunction(
  actorClass: new () => GenericActor,
  overrides: ActorOptions,
): [ActorFunction, ActorOptions] {
  if ("Meta" in actorClass) {
    throw new TypeError(
      `Cannot create an actor from ${actorClass.name}: its options are in Meta; name it meta`,
    );
  }
  const { abstract, ...options } = inheritedMeta(actorClass);
  if (abstract) {
    throw new TypeError(`Cannot create an actor from ${actorClass.name}: its meta is abstract`);
  }
  const name = overrides.actorName ?? options.actorName ?? actorNameOf(actorClass);
  const instance = new actorClass();
  return [
    (...args) => instance.perform(...args),
    { actorName: name, ...options, ...overrides },
  ];
}

/** The `meta` of a class over that of its bases; `abstract` and the name are its own only. */
function inheritedMeta(actorClass: new () => GenericActor): GenericActorMeta {
  const own = Object.hasOwn(actorClass, "meta")
    ? (actorClass as unknown as typeof GenericActor).meta
    : {};
  const base = Object.getPrototypeOf(actorClass);
  if (actorClass as unknown === GenericActor || base === GenericActor) return own;
  const { abstract: _abstract, actorName: _actorName, ...inherited } = inheritedMeta(base);
  return { ...inherited, ...own };
}
