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
  /** This object, as hooks get it: no other class extends this one. */
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
   * Store of cancellations, pauses and the like for the whole fleet; `undefined` where the
   * broker has no such place.
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
   * @param middleware What to add.
   * @param position Where; at most one of `before` and `after`.
   * @throws {TypeError} If it is not a middleware, there is none of the class named, or both are
   *   named. Nothing has changed then.
   */
  addMiddleware(middleware: Middleware, position: MiddlewarePosition = {}): void {
    this.#middleware.add(middleware, position);
    for (const actor of this.#actors.values()) middleware.afterDeclareActor?.(this.#broker, actor);
    for (const queueName of this.#queues) {
      middleware.afterDeclareQueue?.(this.#broker, queueName);
      middleware.afterDeclareDelayQueue?.(this.#broker, delayQueueName(queueName));
    }
  }

  /** Takes a middleware off again; does nothing when it is not there. */
  removeMiddleware(middleware: Middleware): void {
    this.#middleware.remove(middleware);
  }

  /**
   * Calls a hook of all middleware, by the rules of {@linkcode Middleware}.
   *
   * @returns A promise if one of them is asynchronous, else nothing.
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
   * @param args What the hook gets, after the broker.
   * @returns A promise if one of them is asynchronous, else nothing.
   * @throws {MiddlewareError} If one of them refuses.
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
   * @param args What the hook gets, after the broker.
   * @returns A promise if one of them is asynchronous, else nothing.
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
   * Declares an actor and its queue. `actor()` does so.
   *
   * @throws {TypeError} If the name is taken, it has an option that no middleware knows, or
   *   one that makes no sense to the middleware that does.
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
      // First: all others see the message as it runs.
      this.#middleware.addFirst(new ClaimRelease(this.#claims));
    }
    this.#claims.add(actorName, unique);
  }

  /**
   * Declares a queue and its delay queue; one that is declared stays as it is.
   *
   * @throws {TypeError} If that is not a valid queue name.
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
   * @throws {ActorNotFound} If there is none of that name.
   */
  getActor(actorName: string): Actor {
    const actor = this.#actors.get(actorName);
    if (actor !== undefined) return actor;
    const name = shorten(String(actorName), 200);
    throw new ActorNotFound(`Cannot find actor "${name}": it is not declared on this broker`);
  }

  /**
   * Finds where results are kept.
   *
   * @returns The result backend of the `Results` middleware.
   * @throws {TypeError} If there is none.
   */
  getResultBackend(): ResultSource {
    const { resultBackend } = this.#middleware;
    if (resultBackend !== undefined) return resultBackend;
    throw new TypeError(
      "Cannot get results: the broker has no Results middleware; add it with a backend",
    );
  }

  /**
   * Looks an option up: on the message, then on its actor. `null` and `undefined`
   * mean that it is not set there; 0 and `false` mean themselves.
   *
   * @param message The message.
   * @param name The option, by its name here.
   * @param fallback What it is when neither has it: the middleware's own default.
   * @returns The value. It comes from outside: its type is what the caller says.
   */
  getOption<T>(message: Message | MessageProxy, name: string, fallback: T): T {
    const value = message.option(name) ?? this.#actors.get(message.actorName)?.options[name];
    return (value ?? fallback) as T;
  }
}
