import type { Middleware } from "./middleware.ts";
import type { Actor } from "./actor.ts";
import type {
  BrokerOptions,
  EnqueueOptions,
  JoinOptions,
  MiddlewarePosition,
} from "./broker_options.ts";
import { controlStoreOf, undoCancellation } from "./cancellation.ts";
import type { ClaimValue } from "./claim_entry.ts";
import { ClaimRelease } from "./claim_release.ts";
import { Claims } from "./claims.ts";
import { type Clock, systemClock } from "../platform/clock.ts";
import type { ControlChange, ControlOutcome, ControlStore } from "./control_store.ts";
import type { ConsumeOptions, Consumer } from "./consumer.ts";
import {
  type DeadLetter,
  type DeadLetterOptions,
  type ReadDeadLettersOptions,
  revived,
  showDeadLetters,
  type StoredDeadLetter,
} from "./dead_letters.ts";
import { toMilliseconds } from "../platform/duration.ts";
import {
  Emitter,
  type HookArguments,
  type HookName,
  type HookOf,
  hookOf,
  type SignalOf,
} from "./emitter.ts";
import { ActorNotFound } from "./errors.ts";
import { Message } from "./message.ts";
import type { MessageProxy } from "./message_proxy.ts";
import { MiddlewareList } from "./middleware_list.ts";
import {
  assertQueueName,
  assertQueueOrDelayQueueName,
  canonicalQueueName,
  delayQueueName,
  toCanonicalQueueName,
} from "./queue_names.ts";
import type { ResultSource } from "./result_source.ts";
import { ScheduleRegistry } from "./schedule_registry.ts";
import { checkSchedules } from "./schedules.ts";
import { shorten } from "../platform/thrown.ts";
import { checkMaxDeaths } from "./suspicion.ts";
import { checkDebounce } from "./debounce.ts";
import { checkUnique, type Unique } from "./unique.ts";
import { UndecodableMessage } from "./undecodable_message.ts";
import { unlessAborted } from "../platform/unless_aborted.ts";

/** Names of actor options that need no middleware. */
const CORE_ACTOR_OPTIONS: readonly string[] = ["cron", "debounce", "every", "maxDeaths", "unique"];
const NO_DELAY: EnqueueOptions = /* @__PURE__ */ Object.freeze({});

/**
 * Keeps messages between senders and workers.
 *
 * To write one: extend this class, implement the abstract methods, extend
 * {@linkcode Consumer}, and run `tests/conformance/broker.ts` on the pair.
 * Constructors store and check; connect when first used.
 */
export abstract class Broker implements AsyncDisposable {
  /** The time that delays, limits and backoffs go by. */
  readonly clock: Clock;
  /** True if what it keeps is seen by this realm alone: no other process, no thread. */
  readonly isInMemory: boolean = false;
  /**
   * Milliseconds for which a worker may keep a message that it has fetched and cannot begin.
   * Then it gives it back, and fetches no more of that queue until there is room.
   */
  readonly maxWait: number = Infinity;
  /**
   * True if a message that is given back comes closer to the dead letters. Workers then keep one
   * whose retry, result or callback cannot be stored, instead of giving it back after a while.
   */
  readonly countsDeliveries: boolean = false;
  /** @internal True if it stores a message and changes of the control store in one step. */
  readonly storesWithChanges: boolean = false;
  #schedules: ScheduleRegistry | undefined;
  readonly #actors: Map<string, Actor> = new Map();
  readonly #queues: Set<string> = new Set();
  readonly #emitter: Emitter;
  readonly #middleware: MiddlewareList;
  /** Made when the first actor is declared whose messages are unique. */
  #claims: Claims | undefined;

  /**
   * Stores the options; connecting comes later.
   *
   * @param options The middleware and the clock.
   * @param defaults Makes the middleware of a broker that is given none: `defaultMiddleware`.
   */
  constructor(options: BrokerOptions, defaults: () => Middleware[]) {
    this.clock = options.clock ?? systemClock;
    this.#emitter = new Emitter(this);
    this.#middleware = new MiddlewareList(this.#emitter, options.middleware ?? defaults());
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

  /** Stores messages on the queues that they name; a promise, if any, tells that they are safe. */
  protected abstract store(messages: readonly Message[]): void | Promise<void>;

  /**
   * Opens a consumer of a queue or delay queue. It connects when it first receives.
   *
   * @param queueName The queue, as declared, or its delay queue.
   * @param options The prefetch.
   * @returns The consumer.
   * @throws {TypeError} If that can be the name of neither: see `assertQueueOrDelayQueueName`.
   */
  abstract consume(queueName: string, options?: ConsumeOptions): Consumer;

  /** Drops all messages of a queue and its delay queue. */
  abstract flush(queueName: string): Promise<void>;

  /** Drops all messages of all queues. */
  abstract flushAll(): Promise<void>;

  /**
   * Waits until a queue and its delay queue are empty and nothing of them is being
   * worked on.
   *
   * @param queueName The queue.
   * @param options How long to wait.
   * @throws {QueueJoinTimeout} If the time is over before.
   * @throws The reason of the signal, if that aborts before.
   */
  abstract join(queueName: string, options?: JoinOptions): Promise<void>;

  /**
   * Connects now, rather than when it is first used, so that a server that cannot be reached
   * shows at the start. Brokers without a server have nothing to do.
   *
   * @throws {BrokerConnectionError} If the server cannot be reached.
   */
  async connect(): Promise<void> {}

  /** Closes all connections. Nothing can be sent afterwards. */
  abstract close(): Promise<void>;

  /** Closes the broker. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

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
    for (const actor of this.#actors.values()) middleware.afterDeclareActor?.(this, actor);
    for (const queueName of this.#queues) {
      middleware.afterDeclareQueue?.(this, queueName);
      middleware.afterDeclareDelayQueue?.(this, delayQueueName(queueName));
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
    return this.#emitter.emit(hook, first, second);
  }

  /**
   * Calls a `before…` hook of all middleware: `emitBefore("enqueue", message, delay)` is
   * `emit("beforeEnqueue", message, delay)`.
   *
   * @param signal The name of the hook without `before`.
   * @returns A promise if one of them is asynchronous, else nothing.
   * @throws {MiddlewareError} If one of them refuses.
   */
  emitBefore<S extends SignalOf<"before">>(
    signal: S,
    ...args: HookArguments<HookOf<"before", S>>
  ): void | Promise<void> {
    return this.#emitter.emit(hookOf("before", signal), ...args);
  }

  /**
   * Calls an `after…` hook of all middleware, in reverse: `emitAfter("ack", message)` is
   * `emit("afterAck", message)`.
   *
   * @param signal The name of the hook without `after`.
   * @returns A promise if one of them is asynchronous, else nothing.
   */
  emitAfter<S extends SignalOf<"after">>(
    signal: S,
    ...args: HookArguments<HookOf<"after", S>>
  ): void | Promise<void> {
    return this.#emitter.emit(hookOf("after", signal), ...args);
  }

  /**
   * Tells whether a hook needs to be called at all.
   *
   * @param hook The hook.
   * @returns Whether any middleware has it.
   */
  hasHook(hook: HookName): boolean {
    return this.#emitter.has(hook);
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
    this.#emitter.emitNow("beforeDeclareActor", actor);
    this.declareQueue(actor.queueName);
    this.#actors.set(actor.actorName, actor);
    if (schedules.length > 0) this.schedules.add(schedules);
    if (unique !== undefined) this.#keepUnique(actorName, unique);
    this.#emitter.emitNow("afterDeclareActor", actor);
  }

  #keepUnique(actorName: string, unique: Unique): void {
    if (this.#claims === undefined) {
      this.#claims = this.#makeClaims();
      // First: all others see the message as it runs.
      this.#middleware.addFirst(new ClaimRelease(this.#claims));
    }
    this.#claims.add(actorName, unique);
  }

  #makeClaims(): Claims {
    return new Claims(this, {
      store: async (message) => await this.store([message]),
      storeWith: (message, changes) => this.storeWith(message, changes),
      isStored: (claim) => this.isStored(claim),
      stayOf: (message) => this.stayOf(message),
      changeDelayed: (claim, eta, changes) => this.changeDelayed(claim, eta, changes),
    });
  }

  /** @internal Claims of unique messages; `undefined` if no actor has any. */
  get claims(): Claims | undefined {
    return this.#claims;
  }

  /**
   * Tells whether the message of a claim is on its queue, delayed, or in the hands of a worker.
   * Brokers that cannot tell say that it is.
   *
   * @internal
   */
  protected isStored(_claim: ClaimValue): Promise<boolean> {
    return Promise.resolve(true);
  }

  /**
   * Changes the control store, and by that delays the message of a claim until another time. Brokers
   * that promote messages without `enqueueDue` override this.
   *
   * @internal
   */
  protected changeDelayed(
    _claim: ClaimValue,
    _eta: number,
    changes: readonly ControlChange[],
  ): Promise<ControlOutcome> {
    return this.controlStore!.change(changes);
  }

  /** @internal What its queue calls a message as it is stored now. */
  protected stayOf(message: Message): string {
    return message.messageId;
  }

  /**
   * Declares a queue and its delay queue; one that is declared stays as it is.
   *
   * @throws {TypeError} If that is not a valid queue name.
   */
  declareQueue(queueName: string): void {
    assertQueueName(queueName);
    if (this.#queues.has(queueName)) return;
    this.#emitter.emitNow("beforeDeclareQueue", queueName);
    this.#queues.add(queueName);
    this.#emitter.emitNow("afterDeclareQueue", queueName);
    this.#emitter.emitNow("afterDeclareDelayQueue", delayQueueName(queueName));
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

  /**
   * Stores a message on its queue, or delays it.
   *
   * @param message What to send.
   * @param options The delay, and the message that this one follows from.
   * @returns The message as it was stored, once the server has confirmed that. A
   *   delayed one names its delay queue.
   * @throws {TypeError} If it cannot be encoded, what it names cannot be a queue, or a
   *   `prepareMessage` gives no message.
   * @throws {BrokerConnectionError} If the server cannot be reached.
   * @throws {MiddlewareError} If a middleware refuses it.
   * @throws The reason of the signal, if that aborts before the server has confirmed it.
   */
  enqueue<M extends Message>(message: M, options: EnqueueOptions = NO_DELAY): Promise<M> {
    try {
      options.signal?.throwIfAborted();
      const wanted = options.delay === undefined
        ? undefined
        : toMilliseconds(options.delay, "delay");
      const delay = this.#claims === undefined
        ? wanted
        : this.#claims.delayOf(message, options, wanted);
      const queued = this.prepare(this.#emitter.prepare(message, options.cause), delay) as M;
      Message.sentBy(this, message);
      Message.sentBy(this, queued);
      const before = this.emit("beforeEnqueue", queued, delay);
      const sending = before === undefined
        ? this.#storeOne(queued, delay, options)
        : before.then(() => this.#storeOne(queued, delay, options));
      return options.signal === undefined ? sending : unlessAborted(sending, options.signal);
    } catch (error) {
      return Promise.reject(error);
    }
  }

  /**
   * Begins to send a message that is stored synchronously: in a transaction of the application.
   *
   * @param message What to send.
   * @param options The delay, and the message that this one follows from.
   * @returns The message to store, and its delay in milliseconds.
   * @throws {TypeError} If a `beforeEnqueue` hook is asynchronous, or as {@linkcode Broker.enqueue}.
   * @throws {MiddlewareError} If a middleware refuses it.
   */
  protected prepareNow<M extends Message>(
    message: M,
    options: EnqueueOptions,
  ): [queued: M, delay: number | undefined] {
    const delay = options.delay === undefined ? undefined : toMilliseconds(options.delay, "delay");
    const queued = this.prepare(this.#emitter.prepare(message, options.cause), delay) as M;
    Message.sentBy(this, message);
    Message.sentBy(this, queued);
    const before = this.emit("beforeEnqueue", queued, delay);
    if (before === undefined) return [queued, delay];
    before.catch(() => {}); // it is too late for what it would say
    throw new TypeError(
      `Cannot send ${message.actorName} in a transaction: a beforeEnqueue hook is asynchronous, ` +
        "and a transaction does not wait",
    );
  }

  /**
   * Stores a message together with changes of the control store: both, or neither.
   *
   * @internal
   * @param message What to send.
   * @param changes What to change.
   * @param options The delay.
   * @returns What came of the changes.
   */
  async enqueueWith(
    message: Message,
    changes: readonly ControlChange[],
    options: EnqueueOptions,
  ): Promise<ControlOutcome> {
    const delay = options.delay === undefined ? undefined : toMilliseconds(options.delay, "delay");
    const queued = this.prepare(this.#emitter.prepare(message, options.cause), delay);
    await this.emit("beforeEnqueue", queued, delay);
    const outcome = await this.storeWith(queued, changes);
    if (outcome.applied) await this.emit("afterEnqueue", queued, delay);
    return outcome;
  }

  /**
   * Stores a message if changes of the control store are applied, in the same step. Brokers whose
   * control store is in the same place override this, and say so by `storesWithChanges`.
   *
   * @internal
   * @param _message What to store.
   * @param _changes What to change.
   * @returns What came of the changes.
   */
  protected storeWith(
    _message: Message,
    _changes: readonly ControlChange[],
  ): Promise<ControlOutcome> {
    throw new TypeError(
      `Cannot store messages with changes: ${this.constructor.name} does not support it`,
    );
  }

  /** Not asynchronous itself: a promise and its frame a message are a tenth of sending it. */
  #storeOne<M extends Message>(
    queued: M,
    delay: number | undefined,
    options: EnqueueOptions,
  ): Promise<M> {
    const claimed = this.#claims?.store(queued, options);
    if (claimed !== undefined) return this.#afterClaim(claimed, delay);
    const stored = this.store([queued]) ?? Promise.resolve();
    if (!this.hasHook("afterEnqueue")) return stored.then(() => queued);
    return stored.then(() => this.emit("afterEnqueue", queued, delay)).then(() => queued);
  }

  /** A duplicate was not sent. */
  async #afterClaim<M extends Message>(storing: Promise<M>, delay: number | undefined): Promise<M> {
    const stored = await storing;
    if (!stored.isDuplicate) await this.emit("afterEnqueue", stored, delay);
    return stored;
  }

  /**
   * Stores many messages at once, in order. Either all hooks let them pass or none
   * is sent.
   *
   * @param messages What to send.
   * @param options One delay and one cause for all.
   * @returns The messages as they were stored.
   * @throws The same as {@linkcode Broker.enqueue}.
   */
  async enqueueMany<M extends Message>(
    messages: readonly M[],
    options: EnqueueOptions = {},
  ): Promise<M[]> {
    const { signal, cause } = options;
    signal?.throwIfAborted();
    const delay = options.delay === undefined ? undefined : toMilliseconds(options.delay, "delay");
    const claims = this.#claims;
    const delayOf = claims === undefined
      ? () => delay
      : (message: M) => claims.delayOf(message, options, delay);
    const queued = messages.map((message) =>
      this.prepare(this.#emitter.prepare(message, cause), delayOf(message)) as M
    );
    for (let i = 0; i < queued.length; i++) {
      Message.sentBy(this, messages[i]!);
      Message.sentBy(this, queued[i]!);
      const before = this.emit("beforeEnqueue", queued[i]!, delayOf(messages[i]!));
      if (before !== undefined) await before;
    }
    const sending = claims === undefined
      ? this.#storeMany(queued, delay)
      : this.#claimMany(queued, delay, options);
    return signal === undefined ? await sending : await unlessAborted(sending, signal);
  }

  /** Stores messages in order: those that ask for a claim one by one, the others in between at once. */
  async #claimMany<M extends Message>(
    queued: readonly M[],
    delay: number | undefined,
    options: EnqueueOptions,
  ): Promise<M[]> {
    const stored = [...queued];
    const others: M[] = [];
    const claims = this.#claims!;
    for (const [i, message] of queued.entries()) {
      if (claims.of(message.actorName) !== undefined) {
        await this.#storeMany(others.splice(0), delay);
        const claimed = claims.store(message, options);
        if (claimed !== undefined) {
          stored[i] = await this.#afterClaim(claimed, claims.delayOf(message, options, delay));
          continue;
        }
      }
      others.push(message);
    }
    await this.#storeMany(others, delay);
    return stored;
  }

  async #storeMany<M extends Message>(queued: M[], delay: number | undefined): Promise<M[]> {
    if (queued.length > 0) await this.store(queued);
    for (let i = 0; i < queued.length; i++) {
      const after = this.emit("afterEnqueue", queued[i]!, delay);
      if (after !== undefined) await after;
    }
    return queued;
  }

  /**
   * Puts a delayed message whose time has come on its queue. Workers do so with what the
   * consumer of a delay queue gave them, and acknowledge that then.
   *
   * @param delivery What the consumer gave.
   * @throws The same as {@linkcode Broker.enqueue}.
   */
  async enqueueDue(delivery: MessageProxy): Promise<void> {
    const due = this.prepare(
      delivery.message.copy({
        queueName: canonicalQueueName(delivery.queueName),
        options: { eta: undefined },
      }),
      undefined,
    );
    if (due.option("uniqueKey") !== undefined && this.controlStore !== undefined) {
      const claims = this.#claims ?? this.#makeClaims();
      const eta = await claims.carry(due, delivery);
      if (eta !== undefined) return await this.#delayUntil(eta, delivery, claims);
    }
    const before = this.emit("beforeEnqueue", due, undefined);
    if (before !== undefined) await before;
    const stored = this.storeDue(due, delivery);
    if (stored !== undefined) await stored;
    const after = this.emit("afterEnqueue", due, undefined);
    if (after !== undefined) await after;
  }

  /** Stores a delayed message anew that is to run later than it says. No hook hears of it. */
  async #delayUntil(eta: number, { message }: MessageProxy, claims: Claims): Promise<void> {
    const queueName = delayQueueName(canonicalQueueName(message.queueName));
    const later = this.prepare(message.copy({ queueName, options: { eta } }), undefined);
    await claims.carry(later);
    await this.store([later]);
  }

  /**
   * Stores a message that takes the place of a delayed one. Brokers that can take that
   * off its delay queue in the same step override this.
   *
   * @param message What to store.
   * @param _delivery The delayed one.
   */
  protected storeDue(message: Message, _delivery: MessageProxy): void | Promise<void> {
    return this.store([message]);
  }

  /** Names of the actor options that the broker itself reads. */
  protected get ownActorOptions(): readonly string[] {
    return [];
  }

  /**
   * Gives a message the form in which it is stored. Brokers that add options of
   * their own extend this.
   *
   * @param message What to send.
   * @param delay Milliseconds, if it is to be delayed.
   * @returns The message, or a changed copy.
   * @throws {TypeError} If what it names is neither a queue nor a delay queue.
   */
  protected prepare(message: Message, delay: number | undefined): Message {
    const { queueName } = message;
    if (delay === undefined) {
      assertQueueOrDelayQueueName(queueName, "send to queue");
      return message;
    }
    const delayQueue = delayQueueName(queueName); // of q.XQ it is q.DQ, as in Python
    assertQueueOrDelayQueueName(delayQueue, "send to queue");
    const eta = this.clock.now() + Math.round(delay);
    if (!Number.isSafeInteger(eta)) {
      throw new RangeError(`Cannot delay a message by ${delay} ms: the date is out of range`);
    }
    return message.copy({ queueName: delayQueue, options: { eta } });
  }

  /**
   * Reads the dead letters of a queue, the first one first, a page at a time. Those that die
   * meanwhile are not among them.
   *
   * Requeue or drop them inside the loop, or at least begin to: a broker may hold them only
   * while it reads.
   *
   * @param queueName The queue.
   * @param options How many are read at once.
   * @returns The dead letters. They stay where they are unless they are requeued or dropped.
   * @throws {QueueNotFound} If the broker keeps queues that are declared only, and it is not.
   * @throws {BrokerConnectionError} If the server cannot be reached.
   * @throws {TypeError} If this broker cannot read them, or that is not a valid queue name.
   *
   * @example Give everything another chance that failed today
   * ```ts
   * import { StubBroker } from "@dq/dramatiq";
   *
   * const broker = new StubBroker();
   * broker.declareQueue("default");
   * for await (const dead of broker.deadLetters("default")) {
   *   if (dead.diedAt! > Date.now() - 86_400_000) await dead.requeue();
   * }
   * ```
   */
  deadLetters(
    queueName: string,
    options: DeadLetterOptions = {},
  ): AsyncGenerator<DeadLetter, void, undefined> {
    const canonical = toCanonicalQueueName(queueName, "read the dead letters of queue");
    return showDeadLetters(canonical, options, {
      read: (reading) => this.readDeadLetters(canonical, reading),
      requeue: async (stored, message) =>
        await this.#requeueDead(
          stored,
          revived(canonical, await undoCancellation(this, message), this.clock.now()),
        ),
    });
  }

  /**
   * Reads dead letters as they are stored, those that are there when it begins. A broker that
   * has them in flight meanwhile waits for `settled` before it gives the others back.
   *
   * @param queueName The queue, not that of its delayed messages.
   * @param _options How to read.
   * @throws {TypeError} Always, unless a broker overrides it.
   */
  protected readDeadLetters(
    queueName: string,
    _options: ReadDeadLettersOptions,
  ): AsyncIterable<StoredDeadLetter> {
    throw new TypeError(
      `Cannot read the dead letters of "${queueName}": ${this.constructor.name} cannot do that`,
    );
  }

  async #requeueDead(stored: StoredDeadLetter, message: Message): Promise<boolean> {
    // Hooks are for messages; data that is none has no actor.
    if (message instanceof UndecodableMessage) return await stored.requeue(message);
    const queued = this.prepare(message, undefined);
    await this.emit("beforeEnqueue", queued, undefined);
    await this.#claims?.claimAgain(queued);
    if (!await stored.requeue(queued)) return false;
    await this.emit("afterEnqueue", queued, undefined);
    return true;
  }
}
