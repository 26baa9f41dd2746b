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
 * A broker for tests: a `StubBroker` whose time is virtual, with a worker that runs when the test
 * says so. Delays, retries, limits and schedules take no time.
 *
 * Worker and middleware are the real ones. They go by the {@linkcode VirtualClock} of the broker, which
 * stands still while anything can run, and is moved to what is due next.
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
  /** The clock of the test; give it to what is to go by the same time. */
  declare readonly clock: VirtualClock;
  readonly #mode: NonNullable<TestBrokerOptions["mode"]>;
  readonly #enqueued: EnqueuedMessages = new EnqueuedMessages();
  readonly #runs: RunLog;
  readonly #gate: Gate;
  readonly #driver: Driver;
  readonly #replaced: ReplacedActors;
  #isClosed = false;
  /** Calls of `enqueue` that have not ended. */
  #sending = 0;

  /**
   * Makes an empty broker. Its worker starts with the first call that runs something.
   *
   * @param options The actors, the middleware, the time and the mode.
   * @throws {TypeError} If an option is of the wrong type, or an actor cannot be declared.
   * @throws {RangeError} If the concurrency is not a whole number above 0, or there is no such mode.
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
    this.#replaced.point(all);
    if (replaces !== undefined) this.#replaced.takePlaceOf(replaces);
  }

  /** The time of the test, in milliseconds since the epoch. */
  get now(): number {
    return this.clock.now();
  }

  /**
   * Runs all that is due and all that follows from it, and skips the time in between: delays, the
   * backoff of retries, and what schedules send meanwhile. It ends when no message is left.
   *
   * @param options How far, and what to do about errors.
   * @returns The runs of actors, in the order in which they ended.
   * @throws The first error of an actor that is not expected, unless `raise` is false.
   * @throws {AssertionError} If there is no end, or an actor waits for something real for too long.
   */
  async drain(options: DrainOptions = {}): Promise<ActorRun[]> {
    return await this.#driver.work(workOfDrain(options));
  }

  /**
   * Moves the time on, and runs what becomes due on the way, schedules included. Time stands still
   * while an actor runs, but for actors that were running before: `advance` past their time limits.
   *
   * @param duration How far.
   * @param options What to do about errors.
   * @returns The runs of actors, in the order in which they ended.
   * @throws The same as {@linkcode TestBroker.drain}.
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
   * Runs an actor for one message, through all middleware, and nothing else. If it is retried, the
   * retry waits on its queue, for `drain` or `advance`.
   *
   * @param message The message; its delay is ignored.
   * @param options Whether to skip time while it runs.
   * @returns The run. Its `result` throws what the actor threw.
   * @throws {TypeError} If the actor is not declared on this broker.
   * @throws {AssertionError} If it waits for something real for too long.
   */
  runActor<R>(message: Message<R>, options?: RunOptions): Promise<ActorRun<R>>;
  /**
   * As above, for a message with these arguments.
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
   * The messages that were sent in this test, by the code under test, by actors and by schedules,
   * whether or not they have run since. Retries are not among them.
   *
   * @param actor Their actor, or its name. @default All actors
   * @returns The messages in order.
   * @throws {TypeError} If no such actor is declared here; also for `undefined`.
   */
  enqueued<P extends unknown[]>(actor: Actor<P>): EnqueuedMessage<P>[];
  /** As above, for the actor of a name, or all. */
  enqueued(actorName?: string): EnqueuedMessage[];
  enqueued(...wanted: [actor?: AnyActor | string]): EnqueuedMessage[] {
    if (wanted.length === 0) return this.#enqueued.all;
    return this.#enqueued.of(this.#nameOf(wanted[0]));
  }

  /** Forgets the messages that were sent so far: {@linkcode TestBroker.enqueued} begins anew. */
  clearEnqueued(): void {
    this.#enqueued.clear();
  }

  /**
   * Asserts that a message was sent in this test, whether or not it has run since.
   *
   * @param actor Its actor, or the name of that.
   * @param expected What else is expected of it.
   * @returns The messages that are as expected, in order.
   * @throws {AssertionError} If there is none. The text lists what was sent, the closest first.
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
   * Asserts that no such message was sent in this test.
   *
   * @param actor Its actor, or the name of that.
   * @param expected What else it would be.
   * @throws {AssertionError} If there is one.
   */
  assertNotEnqueued<P extends unknown[]>(
    actor: Actor<P> | string,
    expected: Omit<ExpectedMessage<P>, "times"> = {},
  ): void {
    assertNotEnqueued(this.#enqueued, this.#nameOf(actor), expected, this.assertNotEnqueued);
  }

  /** @internal Behind the gate of the test. */
  override consume(queueName: string, options: ConsumeOptions = {}): Consumer {
    return this.#gate.consume(super.consume(queueName, options), this.storageOf(queueName));
  }

  /** @internal Notes what is sent. */
  override async enqueue<M extends Message>(message: M, options: EnqueueOptions = {}): Promise<M> {
    const queued = await this.#track(super.enqueue(message, options));
    this.#note([queued], options);
    await this.#runInline();
    return queued;
  }

  /** @internal Notes what is sent. */
  override async enqueueMany<M extends Message>(
    messages: readonly M[],
    options: EnqueueOptions = {},
  ): Promise<M[]> {
    const queued = await this.#track(super.enqueueMany(messages, options));
    this.#note(queued, options);
    await this.#runInline();
    return queued;
  }

  /** @internal Notes what schedules send. */
  override async enqueueWith(
    message: Message,
    changes: readonly ControlChange[],
    options: EnqueueOptions,
  ): Promise<ControlOutcome> {
    const outcome = await this.#track(super.enqueueWith(message, changes, options));
    if (outcome.applied) this.#note([message], options);
    return outcome;
  }

  /** Runs all messages, as {@linkcode TestBroker.drain} does: nothing else would run them. */
  override async join(queueName: string, options: StubJoinOptions = {}): Promise<void> {
    await this.drain({ raise: options.failFast ?? true });
    await super.join(queueName, options);
  }

  /** Stops its worker, and puts actors back where they were. */
  override async close(): Promise<void> {
    try {
      this.#replaced.putBack();
    } finally {
      await this.#driver.stop();
      this.#isClosed = true;
      await super.close();
    }
  }

  /** @internal Refuses messages of actors that were declared on it, once it is closed. */
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
    // Retries that were left would run, and fail, in the next send.
    await this.#driver.work({ ...workOfDrain({}), raise: "atEnd" });
  }

  /** @throws {TypeError} If the actor is not declared here. A name may also be that of a message. */
  #nameOf(actor: AnyActor | string | undefined): string {
    const verb = "look for messages of";
    if (typeof actor !== "string") return assertDeclared(this, actor, verb);
    if (!this.#enqueued.hasName(actor)) assertNameDeclared(this, actor, verb);
    return actor;
  }
}
