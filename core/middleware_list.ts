import type { Middleware } from "./middleware.ts";
import type { Actor } from "./actor.ts";
import { type Emitter, HOOKS } from "./emitter.ts";
import { advice, checkKnownOptions, type KnownOptions } from "./known_options.ts";
import { getLogger } from "../platform/logging.ts";
import type { ResultSource } from "./result_source.ts";

const log = /* @__PURE__ */ getLogger("middleware");
/** Options of actors that are not among `Actor.options`. */
const FIELDS_OF_ACTORS: readonly string[] = ["actorClass", "actorName", "queueName"];

/** Position at which {@linkcode Broker.addMiddleware} inserts a middleware; at the end by default. */
export interface MiddlewarePosition {
  /** Before the one of this class. */
  before?: MiddlewareClass;
  /** After the one of this class. */
  after?: MiddlewareClass;
}

const POSITION: KnownOptions<MiddlewarePosition> = { before: true, after: true };

/** The class of a middleware. */
// deno-lint-ignore no-explicit-any -- whatever its constructor takes
export type MiddlewareClass = abstract new (...args: any[]) => Middleware;

/**
 * The middleware of a broker in their order, and what they know together: the options that
 * actors may have, and where results are kept. Each change is passed to the emitter.
 */
export class MiddlewareList {
  readonly #emitter: Emitter;
  readonly #actorOptions: Set<string> = new Set();
  #all: readonly Middleware[] = [];

  /**
   * Makes the list of a broker.
   *
   * @param emitter Calls their hooks.
   * @param middleware Those that are there from the start.
   */
  constructor(emitter: Emitter, middleware: readonly Middleware[]) {
    this.#emitter = emitter;
    if (!Array.isArray(middleware)) {
      throw new TypeError(`Cannot use middleware ${String(middleware)}: it must be an array`);
    }
    for (const [i, one] of middleware.entries()) {
      assertMiddleware(one);
      warnIfTwin(one, middleware.slice(0, i));
    }
    this.#set(middleware);
  }

  /** All of them; a list that stays as it is when another one is added. */
  get all(): readonly Middleware[] {
    return this.#all;
  }

  /** Result backend of the first middleware that has one. */
  get resultBackend(): ResultSource | undefined {
    return this.#all.find((one) => one.resultBackend !== undefined)?.resultBackend;
  }

  /**
   * Adds one.
   *
   * @param middleware The middleware to add.
   * @param position Where; at most one of `before` and `after`.
   * @throws {TypeError} If it is not a middleware, there is none of the class named, or both are
   *   named.
   */
  add(middleware: Middleware, position: MiddlewarePosition): void {
    assertMiddleware(middleware);
    const index = this.#indexAt(position);
    warnIfTwin(middleware, this.#all);
    this.#set(this.#all.toSpliced(index, 0, middleware));
  }

  /** Adds one of the core in front of all others. It has no hooks of declaring. */
  addFirst(middleware: Middleware): void {
    this.#set([middleware, ...this.#all]);
  }

  /** Takes one off; does nothing when it is not there. */
  remove(middleware: Middleware): void {
    this.#set(this.#all.filter((one) => one !== middleware));
  }

  /**
   * Checks the options of an actor before it is declared.
   *
   * @param actor The actor.
   * @param others Names of options that are known besides: those of the broker itself.
   * @throws {TypeError} If no middleware knows an option, or the one that does refuses its value.
   */
  checkOptionsOf(actor: Actor, others: readonly string[]): void {
    const known = new Set([...this.#actorOptions, ...others]);
    const strange = Object.keys(actor.options).filter((name) => !known.has(name));
    if (strange.length > 0) {
      const spelled = Object.fromEntries(
        [...known, ...FIELDS_OF_ACTORS].map((name) => [name, true]),
      );
      throw new TypeError(
        `Cannot declare actor "${actor.actorName}": no middleware of this broker knows its ` +
          `options ${strange.map((name) => name + advice(name, spelled)).join(", ")}; ` +
          `known are ${[...known].toSorted().join(", ")}`,
      );
    }
    for (const middleware of this.#all) middleware.checkActorOptions?.(actor);
  }

  #indexAt(position: MiddlewarePosition): number {
    checkKnownOptions("add middleware", position, POSITION);
    const { before, after } = position;
    if (before !== undefined && after !== undefined) {
      throw new TypeError("Cannot add middleware both before and after another one: name one");
    }
    const neighbour = before ?? after;
    if (neighbour !== undefined && typeof neighbour !== "function") {
      throw new TypeError("Cannot add middleware next to an object: name a class");
    }
    if (neighbour === undefined) return this.#all.length;
    const index = this.#all.findIndex((one) => one instanceof neighbour);
    if (index === -1) {
      throw new TypeError(
        `Cannot add middleware next to ${neighbour.name}: the broker has none of that class`,
      );
    }
    return after === undefined ? index : index + 1;
  }

  #set(middleware: readonly Middleware[]): void {
    this.#all = middleware;
    this.#emitter.update(middleware);
    this.#actorOptions.clear();
    for (const { actorOptions = [] } of middleware) {
      for (const name of actorOptions) this.#actorOptions.add(name);
    }
  }
}

/** As in Python: usually a default middleware is added again to set its options. */
function warnIfTwin(middleware: Middleware, others: readonly Middleware[]): void {
  const prototype = Object.getPrototypeOf(middleware);
  const isOfClass = prototype !== Object.prototype && prototype !== null;
  const isTwin = (other: Middleware) =>
    other === middleware || isOfClass && Object.getPrototypeOf(other) === prototype;
  if (!others.some(isTwin)) return;
  log.warn(
    "Middleware {middleware} was added twice, and each of its hooks will run twice: remove one",
    {
      middleware: middleware.constructor.name,
    },
  );
}

/** @throws {TypeError} If something is not an object that may have hooks. */
function assertMiddleware(middleware: unknown): asserts middleware is Middleware {
  if (typeof middleware === "function") {
    const name = middleware.name || "a function";
    throw new TypeError(`Cannot add middleware ${name}: it is a class; add new ${name}()`);
  }
  if (typeof middleware !== "object" || middleware === null) {
    throw new TypeError(
      `Cannot add middleware ${String(middleware)}: it must be an object with hooks`,
    );
  }
  if (Array.isArray(middleware)) {
    throw new TypeError("Cannot add middleware: it is an array; add one at a time");
  }
  const name = middleware.constructor?.name ?? "an object";
  const others = ["prepareMessage", "wrapActor", "wrapEnqueue", "checkActorOptions"];
  for (const hook of [...Object.keys(HOOKS), ...others]) {
    const value = (middleware as Record<string, unknown>)[hook];
    if (value === undefined || typeof value === "function") continue;
    throw new TypeError(`Cannot add middleware ${name}: its ${hook} is not a function`);
  }
  for (const list of ["actorOptions", "forks"]) {
    const value = (middleware as Record<string, unknown>)[list];
    if (value === undefined || Array.isArray(value)) continue;
    throw new TypeError(`Cannot add middleware ${name}: its ${list} is not an array`);
  }
  warnOfPythonNames(middleware);
}

/** Hooks in Python's spelling are never called. */
function warnOfPythonNames(middleware: object): void {
  const names = [...Object.keys(HOOKS), "prepareMessage", "wrapActor", "actorOptions"];
  for (const name of names) {
    const spelling = name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
    if (!(spelling in middleware)) continue;
    log.warn("{middleware} has {spelling}, which is never called: name it {name}", {
      middleware: middleware.constructor?.name ?? "A middleware",
      spelling,
      name,
    });
  }
}
