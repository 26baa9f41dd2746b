import { joinTimeout } from "../core/join.ts";
import { StubBroker, type StubJoinOptions } from "../brokers/stub/stub_broker.ts";
import type { Actor } from "../core/actor.ts";
import type { AnyActor } from "../core/actor_options.ts";
import type { ConsumeOptions, Consumer } from "../core/consumer.ts";
import type { ControlChange, ControlOutcome } from "../core/control_store.ts";
import { Message } from "../core/message.ts";
import { type Duration, toMilliseconds } from "../platform/duration.ts";
import type { EnqueueOptions } from "../core/actor_options.ts";
import { assertEnqueued, assertNotEnqueued, type ExpectedMessage } from "./assertions.ts";
import { Driver } from "./driver.ts";
import { type EnqueuedMessage, EnqueuedMessages } from "./enqueued.ts";
import { Gate } from "./gate.ts";
import {
  type AdvanceOptions,
  checkOptions,
  checkRunOptions,
  type DrainOptions,
  type RunOptions,
  type TestBrokerOptions,
  testMiddleware,
  workOfDrain,
} from "./options.ts";
import {
  assertDeclared,
  assertNameDeclared,
  closedWith,
  placeOfCall,
  ReplacedActors,
} from "./replaced_actors.ts";
import { type ActorRun, RunLog } from "./runs.ts";
import { VirtualClock } from "./virtual_clock.ts";

/**
 * A broker for tests: a `StubBroker` with a virtual clock, and a worker that runs on command.
 * Delays, retries, limits and schedules take no real time.
 *
 * Worker and middleware are the real ones. They use the {@linkcode VirtualClock} of the broker,
 * which stands still while anything can run, then advances to the next time at which something is
 * due.
 *
 * @example Test an actor that is declared elsewhere
 * ```ts
 * import { actor, setBroker, StubBroker } from "@dq/dramatiq";
 * import { TestBroker } from "@dq/dramatiq/testing";
 *
 * // The application:
 * const broker = new StubBroker();
 * setBroker(broker);
 * const sent: string[] = [];
 * const remind = actor(function remind(user: string) {
 *   sent.push(user);
 * });
 *
 * // A test:
 * const kit = new TestBroker({ replaces: broker });
 * await remind.sendWithOptions({ args: ["Ada"], delay: { days: 3 } });
 * kit.assertEnqueued(remind, { args: ["Ada"], delay: { days: 3 } });
 * await kit.drain();
 * if (sent[0] !== "Ada") throw new Error("not reminded");
 * await kit.close();
 * ```
 */
export class TestBroker extends StubBroker {
  /** The clock of the test, to share with backends and limiters. */
  declare readonly clock: VirtualClock;
  readonly #mode: NonNullable<TestBrokerOptions["mode"]>;
  readonly #enqueued: EnqueuedMessages = new EnqueuedMessages();
  readonly #runs: RunLog;
  readonly #gate: Gate;
  readonly #driver: Driver;
  readonly #replaced: ReplacedActors;
  #isClosed = false;
  /** Number of pending calls of `enqueue`. */
  #sending = 0;

  /**
   * Makes an empty broker. Its worker starts with the first call that runs messages.
   *
   * @param options The actors, the middleware, the time and the mode.
   * @throws {TypeError} If an option is of the wrong type, or an actor cannot be declared.
   * @throws {RangeError} If the concurrency is not a whole number above 0, or the mode is unknown.
   */
  constructor(options: TestBrokerOptions = {}) {
    checkOptions(options);
    const { clock = new VirtualClock(options.now), concurrency = 1, mode = "manual" } = options;
    const runs = new RunLog(() => this.#gate.changed.notify());
    super({ clock, middleware: [runs, ...testMiddleware(options.middleware, clock)] });
    this.#mode = mode;
    this.#runs = runs;
    this.#gate = new Gate({
      clock,
      concurrency,
      settled: (delivery, message, how) => runs.settled(this, delivery, message, how),
    });
    this.#driver = new Driver({
      broker: this,
      clock,
      gate: this.#gate,
      runs,
      concurrency,
      storageOf: (queueName) => this.storageOf(queueName),
      sending: () => this.#sending,
    });
    const { replaces, actors = [] } = options;
    const all = new Set<AnyActor>([...actors, ...replaces?.actors.values() ?? []]);
    this.#replaced = new ReplacedActors(this, placeOfCall(TestBroker));
    this.#replaced.assign(all);
    if (replaces !== undefined) this.#replaced.replace(replaces);
  }

  /** The time of the test, in milliseconds since the epoch. */
  get now(): number {
    return this.clock.now();
  }

  /**
   * Runs all messages, and those that they send, until none is left. Time in between is skipped,
   * such as delays and the backoff of retries; schedules fire meanwhile.
   *
   * @param options The latest time, and the handling of errors.
   * @returns The runs of actors, in the order in which they ended.
   * @throws The first unexpected error of an actor, unless `raise` is false.
   * @throws {AssertionError} If there is an endless loop, or an actor makes no progress for too
   *   long.
   */
  async drain(options: DrainOptions = {}): Promise<ActorRun[]> {
    return await this.#driver.work(workOfDrain(options));
  }

  /**
   * Advances the clock, and runs messages and schedules that become due on the way. Time stands
   * still while an actor runs, except for actors that were running before the call: it can pass
   * their time limits.
   *
   * @param duration The time to advance by.
   * @param options The handling of errors.
   * @returns The runs of actors, in the order in which they ended.
   * @throws Like {@linkcode TestBroker.drain}.
   * @throws {RangeError} If the duration is below 0.
   */
  async advance(duration: Duration, options: AdvanceOptions = {}): Promise<ActorRun[]> {
    const checked = checkRunOptions("advance", options);
    const ms = toMilliseconds(duration, "duration");
    if (!(ms >= 0)) throw new RangeError(`Cannot advance by ${ms} ms: it must be 0 or more`);
    const until = this.now + ms;
    return await this.#driver.work({ ...checked, until, endsWhenDone: false, countsAnew: true });
  }

  /**
   * Runs an actor for one message only, through all middleware. A retry waits on its queue for
   * `drain` or `advance`.
   *
   * @param message The message; its delay is ignored.
   * @param options The timeout, and whether to skip time while it runs.
   * @returns The run. Its `result` throws the error of the actor.
   * @throws {TypeError} If the actor is not declared on this broker.
   * @throws {AssertionError} If it makes no progress for too long.
   */
  runActor<R>(message: Message<R>, options?: RunOptions): Promise<ActorRun<R>>;
  /**
   * Runs an actor for a message with the given arguments.
   *
   * @param actor The actor.
   * @param args The arguments.
   * @returns The run.
   */
  runActor<P extends unknown[], R>(actor: Actor<P, R>, ...args: P): Promise<ActorRun<R>>;
  async runActor(target: AnyActor | Message, ...args: unknown[]): Promise<ActorRun> {
    const isMessage = target instanceof Message;
    const { 0: options = {} } = isMessage ? args as RunOptions[] : [];
    const checked = checkRunOptions("run the actor", options);
    if (isMessage) assertNameDeclared(this, target.actorName, "run");
    else assertDeclared(this, target, "run");
    const message = isMessage ? target : target.message(...args);
    const changes = { queueName: this.getActor(message.actorName).queueName };
    const prepared = this.emitter.prepare(message.copy(changes), undefined);
    Message.sentBy(this, message);
    Message.sentBy(this, prepared);
    await this.emit("beforeEnqueue", prepared, undefined);
    this.storageOf(prepared.queueName).putBack([{ data: prepared.encode(), eta: 0 }]);
    await this.emit("afterEnqueue", prepared, undefined);
    return await this.#driver.runOne(prepared, { ...checked, raise: false, countsAnew: false });
  }

  /**
   * The messages that were sent in this test by the code under test, by actors and by schedules,
   * whether or not they have run since. Retries are not included.
   *
   * @param actor Their actor, or its name. @default All actors
   * @returns The messages in order.
   * @throws {TypeError} If the actor is not declared here, or `undefined`.
   */
  enqueued<P extends unknown[]>(actor: Actor<P>): EnqueuedMessage<P>[];
  /** The same, by the name of the actor, or for all actors. */
  enqueued(actorName?: string): EnqueuedMessage[];
  enqueued(...wanted: [actor?: AnyActor | string]): EnqueuedMessage[] {
    if (wanted.length === 0) return this.#enqueued.all;
    return this.#enqueued.of(this.#nameOf(wanted[0]));
  }

  /** Clears the messages that {@linkcode TestBroker.enqueued} returns and assertions see. */
  clearEnqueued(): void {
    this.#enqueued.clear();
  }

  /**
   * Asserts that a message was sent in this test, whether or not it has run since.
   *
   * @param actor Its actor, or the name of the actor.
   * @param expected Its other expected fields.
   * @returns The messages that match, in order.
   * @throws {AssertionError} If none matches. The error lists the messages sent, the closest first.
   */
  assertEnqueued<P extends unknown[]>(
    actor: Actor<P> | string,
    expected: ExpectedMessage<P> = {},
  ): EnqueuedMessage<P>[] {
    const name = this.#nameOf(actor);
    const found = assertEnqueued(this.#enqueued, name, expected, this.assertEnqueued);
    return found as unknown as EnqueuedMessage<P>[];
  }

  /**
   * Asserts that no matching message was sent in this test.
   *
   * @param actor Its actor, or the name of the actor.
   * @param expected The other fields to match.
   * @throws {AssertionError} If a message matches.
   */
  assertNotEnqueued<P extends unknown[]>(
    actor: Actor<P> | string,
    expected: Omit<ExpectedMessage<P>, "times"> = {},
  ): void {
    assertNotEnqueued(this.#enqueued, this.#nameOf(actor), expected, this.assertNotEnqueued);
  }

  /** @internal Makes consumers that obey the gate. */
  override consume(queueName: string, options: ConsumeOptions = {}): Consumer {
    return this.#gate.consume(super.consume(queueName, options), this.storageOf(queueName));
  }

  /** @internal Records the message. */
  override async enqueue<M extends Message>(message: M, options: EnqueueOptions = {}): Promise<M> {
    const queued = await this.#track(super.enqueue(message, options));
    this.#note([queued], options);
    await this.#runInline();
    return queued;
  }

  /** @internal Records the messages. */
  override async enqueueMany<M extends Message>(
    messages: readonly M[],
    options: EnqueueOptions = {},
  ): Promise<M[]> {
    const queued = await this.#track(super.enqueueMany(messages, options));
    this.#note(queued, options);
    await this.#runInline();
    return queued;
  }

  /** @internal Records the message of a schedule. */
  override async enqueueWith(
    message: Message,
    changes: readonly ControlChange[],
    options: EnqueueOptions,
  ): Promise<ControlOutcome> {
    const outcome = await this.#track(super.enqueueWith(message, changes, options));
    if (outcome.applied) this.#note([message], options);
    return outcome;
  }

  /** Runs all messages like {@linkcode TestBroker.drain}, because no worker runs between calls. */
  override async join(queueName: string, options: StubJoinOptions = {}): Promise<void> {
    joinTimeout(queueName, options); // refuses options before actors run
    await this.drain({ raise: options.failFast ?? true });
    await super.join(queueName, options);
  }

  /** Restores the actors, and stops the worker. */
  override async close(): Promise<void> {
    try {
      this.#replaced.restore();
    } finally {
      await this.#driver.stop();
      this.#isClosed = true;
      await super.close();
    }
  }

  /** @internal Refuses messages of its own actors once it is closed. */
  protected override prepare(message: Message, delay: number | undefined): Message {
    const isLeft = this.#isClosed && this.actors.get(message.actorName)?.broker === this;
    if (isLeft) throw closedWith(message.actorName);
    return super.prepare(message, delay);
  }

  /** @internal Stores nothing in mode `fake`. */
  protected override store(messages: readonly Message[]): void {
    if (this.#mode === "fake") { for (const message of messages) message.encode(); }
    else super.store(messages);
    this.#gate.changed.notify();
  }

  async #track<T>(sending: Promise<T>): Promise<T> {
    this.#sending += 1;
    try {
      return await sending;
    } finally {
      this.#sending -= 1;
      this.#gate.changed.notify();
    }
  }

  #note(messages: readonly Message[], { cause, delay }: EnqueueOptions): void {
    for (const message of messages) {
      const eta = message.option("eta");
      const ms = typeof eta === "number" ? eta - this.now : undefined;
      if (cause?.messageId === message.messageId) this.#runs.delayed(message, ms ?? 0);
      else if (!message.isDuplicate) this.#enqueued.add(message, delay ?? ms);
    }
  }

  async #runInline(): Promise<void> {
    if (this.#mode !== "inline" || this.#driver.active > 0) return;
    // "atEnd": a retry that is left over would run, and fail, in the next send.
    await this.#driver.work({ ...workOfDrain({}), raise: "atEnd" });
  }

  /**
   * @throws {TypeError} If the actor is not declared here, and no message was sent to that name.
   */
  #nameOf(actor: AnyActor | string | undefined): string {
    const verb = "look for messages of";
    if (typeof actor !== "string") return assertDeclared(this, actor, verb);
    if (!this.#enqueued.hasName(actor)) assertNameDeclared(this, actor, verb);
    return actor;
  }
}
