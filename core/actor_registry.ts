import type { Middleware } from "./middleware.ts";
import type { Actor } from "./actor.ts";
import type { Broker } from "./broker.ts";
import { controlStoreOf } from "./cancellation.ts";
import { ClaimRelease } from "./claim_release.ts";
import type { Claims } from "./claims.ts";
import type { ControlStore } from "./control_store.ts";
import { checkDebounce } from "./debounce.ts";
import {
  Emitter,
  type HookArguments,
  type HookName,
  type HookOf,
  hookOf,
  type SignalOf,
} from "./emitter.ts";
import { ActorNotFound } from "./errors.ts";
import type { Message } from "./message.ts";
import type { MessageProxy } from "./message_proxy.ts";
import { MiddlewareList, type MiddlewarePosition } from "./middleware_list.ts";
import { assertQueueName, delayQueueName } from "./queue_names.ts";
import type { ResultSource } from "./result_source.ts";
import { ScheduleRegistry } from "./schedule_registry.ts";
import { checkSchedules } from "./schedules.ts";
import { checkMaxDeaths } from "./suspicion.ts";
import { shorten } from "../platform/thrown.ts";
import { checkUnique, type Unique } from "./unique.ts";

/** Names of actor options that need no middleware. */
const CORE_ACTOR_OPTIONS: readonly string[] = ["cron", "debounce", "every", "maxDeaths", "unique"];

/** Actors, queues and middleware of a {@linkcode Broker}. */
export abstract class ActorRegistry {
  /** @internal Calls the hooks of the middleware. */
  protected readonly emitter: Emitter;
  /** This object, for hooks: `Broker` is the only class that extends this one. */
  readonly #broker: Broker = this as unknown as Broker;
  readonly #middleware: MiddlewareList;
  readonly #actors: Map<string, Actor> = new Map();
  readonly #queues: Set<string> = new Set();
  #schedules: ScheduleRegistry | undefined;
  /** Made when the first actor is declared whose messages are unique. */
  #claims: Claims | undefined;

  /**
   * Makes a registry without actors.
   *
   * @param middleware The middleware, in order.
   */
  constructor(middleware: readonly Middleware[]) {
    this.emitter = new Emitter(this.#broker);
    this.#middleware = new MiddlewareList(this.emitter, middleware);
  }

  /**
   * Store of cancellations, pauses and other control of the whole fleet; `undefined` if the broker has
   * none.
   */
  get controlStore(): ControlStore | undefined {
    return undefined;
  }

  /** @internal Periodic actors that are declared on this broker. */
  get schedules(): ScheduleRegistry {
    this.#schedules ??= new ScheduleRegistry();
    return this.#schedules;
  }

  /** The actors declared on this broker, by name. */
  get actors(): ReadonlyMap<string, Actor> {
    return this.#actors;
  }

  /** The names of the queues declared on this broker, without delay queues. */
  get queues(): ReadonlySet<string> {
    return this.#queues;
  }

  /**
   * Lists the actors declared on this broker.
   *
   * @returns Their names; a copy.
   */
  getDeclaredActors(): Set<string> {
    return new Set(this.#actors.keys());
  }

  /**
   * Lists the queues declared on this broker, without delay queues.
   *
   * @returns Their names; a copy.
   */
  getDeclaredQueues(): Set<string> {
    return new Set(this.#queues);
  }

  /**
   * Lists the delay queues of the queues declared on this broker.
   *
   * @returns Their names; a copy.
   */
  getDeclaredDelayQueues(): Set<string> {
    return new Set(Array.from(this.#queues, delayQueueName));
  }

  /** The middleware, in order. */
  get middleware(): readonly Middleware[] {
    return this.#middleware.all;
  }

  /** Names of the actor options that the broker itself reads. */
  protected get ownActorOptions(): readonly string[] {
    return [];
  }

  /** @internal Claims of unique messages; `undefined` if no actor has any. */
  get claims(): Claims | undefined {
    return this.#claims;
  }

  /** @internal Makes an empty collection of claims. */
  protected abstract makeClaims(): Claims;

  /**
   * Adds a middleware, and calls its hooks for the actors and queues declared so far.
   *
   * @param middleware The middleware.
   * @param position Its place in the list; `before` or `after`, not both.
   * @throws {TypeError} If it is not a middleware, there is none of the class that `position` names,
   *   or that has both. Nothing has changed then.
   */
  addMiddleware(middleware: Middleware, position: MiddlewarePosition = {}): void {
    this.#middleware.add(middleware, position);
    for (const actor of this.#actors.values()) middleware.afterDeclareActor?.(this.#broker, actor);
    for (const queueName of this.#queues) {
      middleware.afterDeclareQueue?.(this.#broker, queueName);
      middleware.afterDeclareDelayQueue?.(this.#broker, delayQueueName(queueName));
    }
  }

  /** Removes a middleware; does nothing if it is not in the list. */
  removeMiddleware(middleware: Middleware): void {
    this.#middleware.remove(middleware);
  }

  /**
   * Calls a hook of all middleware, by the rules of {@linkcode Middleware}.
   *
   * @returns A promise if a hook is asynchronous.
   */
  emit<H extends HookName>(hook: H, ...args: HookArguments<H>): void | Promise<void>;
  emit(hook: HookName, first?: unknown, second?: unknown): void | Promise<void> {
    return this.emitter.emit(hook, first, second);
  }

  /**
   * Calls a `before…` hook of all middleware: `emitBefore("enqueue", message, delay)` is
   * `emit("beforeEnqueue", message, delay)`.
   *
   * @param signal The name of the hook without `before`.
   * @param args Arguments of the hook after the broker.
   * @returns A promise if a hook is asynchronous.
   * @throws {MiddlewareError} If a hook throws it.
   */
  emitBefore<S extends SignalOf<"before">>(
    signal: S,
    ...args: HookArguments<HookOf<"before", S>>
  ): void | Promise<void> {
    return this.emitter.emit(hookOf("before", signal), ...args);
  }

  /**
   * Calls an `after…` hook of all middleware, in reverse: `emitAfter("ack", message)` is
   * `emit("afterAck", message)`.
   *
   * @param signal The name of the hook without `after`.
   * @param args Arguments of the hook after the broker.
   * @returns A promise if a hook is asynchronous.
   */
  emitAfter<S extends SignalOf<"after">>(
    signal: S,
    ...args: HookArguments<HookOf<"after", S>>
  ): void | Promise<void> {
    return this.emitter.emit(hookOf("after", signal), ...args);
  }

  /**
   * Tells whether a hook needs to be called at all.
   *
   * @param hook The hook.
   * @returns Whether any middleware has it.
   */
  hasHook(hook: HookName): boolean {
    return this.emitter.has(hook);
  }

  /**
   * Declares an actor and its queue. `actor()` calls it.
   *
   * @throws {TypeError} If the name is taken, no middleware knows one of the options, or a value of an
   *   option is not valid.
   */
  declareActor(actor: Actor): void {
    if (this.#actors.has(actor.actorName)) {
      throw new TypeError(`Cannot declare actor "${actor.actorName}": the name is taken`);
    }
    this.#middleware.checkOptionsOf(actor, [...CORE_ACTOR_OPTIONS, ...this.ownActorOptions]);
    const { actorName, queueName, options } = actor;
    checkMaxDeaths(actorName, options["maxDeaths"]);
    const unique = checkDebounce(actorName, options["debounce"], options["unique"]) ??
      checkUnique(actorName, options["unique"]);
    if (unique !== undefined) controlStoreOf(this, `keep messages of actor "${actorName}" unique`);
    const schedules = checkSchedules({ actorName, queueName }, options);
    if (schedules.length > 0) {
      controlStoreOf(this, `run actor "${actorName}" periodically`);
      this.schedules.assertFree(schedules);
    }
    this.emitter.emitNow("beforeDeclareActor", actor);
    this.declareQueue(actor.queueName);
    this.#actors.set(actor.actorName, actor);
    if (schedules.length > 0) this.schedules.add(schedules);
    if (unique !== undefined) this.#keepUnique(actorName, unique);
    this.emitter.emitNow("afterDeclareActor", actor);
  }

  #keepUnique(actorName: string, unique: Unique): void {
    if (this.#claims === undefined) {
      this.#claims = this.makeClaims();
      // First, because it may replace the message, which the others must see.
      this.#middleware.addFirst(new ClaimRelease(this.#claims));
    }
    this.#claims.add(actorName, unique);
  }

  /**
   * Declares a queue and its delay queue, unless they are declared.
   *
   * @throws {TypeError} If the queue name is not valid.
   */
  declareQueue(queueName: string): void {
    assertQueueName(queueName);
    if (this.#queues.has(queueName)) return;
    this.emitter.emitNow("beforeDeclareQueue", queueName);
    this.#queues.add(queueName);
    this.emitter.emitNow("afterDeclareQueue", queueName);
    this.emitter.emitNow("afterDeclareDelayQueue", delayQueueName(queueName));
  }

  /**
   * Finds an actor.
   *
   * @param actorName The name of a declared actor.
   * @returns The actor.
   * @throws {ActorNotFound} If no actor of that name is declared.
   */
  getActor(actorName: string): Actor {
    const actor = this.#actors.get(actorName);
    if (actor !== undefined) return actor;
    const name = shorten(String(actorName), 200);
    throw new ActorNotFound(`Cannot find actor "${name}": it is not declared on this broker`);
  }

  /**
   * Finds the result backend.
   *
   * @returns The backend of the `Results` middleware.
   * @throws {TypeError} If there is no such middleware.
   */
  getResultBackend(): ResultSource {
    const { resultBackend } = this.#middleware;
    if (resultBackend !== undefined) return resultBackend;
    throw new TypeError(
      "Cannot get results: the broker has no Results middleware; add it with a backend",
    );
  }

  /**
   * Reads an option of a message, or else of its actor. `null` and `undefined` count as not set.
   *
   * @param message The message.
   * @param name Name of the option in this library.
   * @param fallback Value if it is set on neither.
   * @returns The value. Messages come from outside, so `T` is an assumption of the caller.
   */
  getOption<T>(message: Message | MessageProxy, name: string, fallback: T): T {
    const value = message.option(name) ?? this.#actors.get(message.actorName)?.options[name];
    return (value ?? fallback) as T;
  }
}
