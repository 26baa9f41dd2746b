import type { EnqueueOptions } from "./actor_options.ts";
import { ActorRegistry } from "./actor_registry.ts";
import type { Middleware } from "./middleware.ts";
import type { UniqueSteps } from "./claim_entries.ts";
import type { Claims } from "./claims.ts";
import { type Clock, systemClock } from "../platform/clock.ts";
import type { ControlChange, ControlOutcome } from "./control_store.ts";
import type { ConsumeOptions, Consumer } from "./consumer.ts";
import {
  type DeadLetter,
  type DeadLetterOptions,
  type InspectionHost,
  type ReadDeadLettersOptions,
  showDeadLetters,
  type StoredDeadLetter,
} from "./dead_letters.ts";
import type { Inspector } from "./inspection.ts";
import { NoInspector } from "./inspector_of.ts";
import type { JoinOptions } from "./join.ts";
import type { Message } from "./message.ts";
import type { MessageProxy } from "./message_proxy.ts";
import { toCanonicalQueueName, toQueued } from "./queue_names.ts";
import type { ReportSource } from "./report_source.ts";
import { Sender } from "./sender.ts";

const NO_DELAY: EnqueueOptions = /* @__PURE__ */ Object.freeze({});

/** Options that all brokers take. */
export interface BrokerOptions {
  /**
   * The middleware, in order.
   *
   * @default {defaultMiddleware()}
   */
  middleware?: readonly Middleware[];
  /** The time that delays, limits and backoffs go by. @default {systemClock} */
  clock?: Clock;
}

/**
 * Keeps messages between senders and workers.
 *
 * To write one: extend this class, implement the abstract methods, extend
 * {@linkcode Consumer}, and run `tests/conformance/broker.ts` on the pair.
 * Constructors store and check; connect when first used.
 */
export abstract class Broker extends ActorRegistry implements AsyncDisposable {
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
  /** @internal Workers of this process that report. */
  readonly reportSources: Set<ReportSource> = new Set();
  readonly #sender: Sender;

  /**
   * Stores the options; connecting comes later.
   *
   * @param options The middleware and the clock.
   * @param defaults Makes the middleware of a broker that is given none: `defaultMiddleware`.
   */
  constructor(options: BrokerOptions, defaults: () => Middleware[]) {
    super(options.middleware ?? defaults());
    this.clock = options.clock ?? systemClock;
    this.#sender = new Sender(this, this.emitter, {
      prepare: (message, delay) => this.prepare(message, delay),
      store: (messages) => this.store(messages),
      storeWith: (message, changes) => this.storeWith(message, changes),
      storeDue: (message, delivery) => this.storeDue(message, delivery),
      uniqueSteps: () => this.uniqueSteps,
    });
  }

  /** Milliseconds for which the server has not answered consumers; 0 if it does, or there is none. */
  get silentFor(): number {
    return 0;
  }

  /** @internal Ids of brokers of other libraries that share the queues: they ignore pauses. */
  findForeignBrokers(): Promise<string[]> {
    return Promise.resolve([]);
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

  /** Drops all messages of all declared queues. */
  async flushAll(): Promise<void> {
    for (const queueName of this.queues) await this.flush(queueName);
  }

  /**
   * Waits until a queue and its delay queue are empty and nothing of them is being worked on.
   *
   * @param queueName The queue.
   * @param options How long to wait.
   * @throws {QueueJoinTimeout} If the time is over before.
   * @throws The reason of the signal, if that aborts before.
   */
  abstract join(queueName: string, options?: JoinOptions): Promise<void>;

  /** Connects now, if there is a server. @throws {BrokerConnectionError} If it cannot be reached. */
  async connect(): Promise<void> {}

  /** Closes all connections. Nothing can be sent afterwards. */
  abstract close(): Promise<void>;

  /** Closes the broker. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
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
    return this.#sender.enqueue(message, options);
  }

  /**
   * Stores many messages at once, in order. Either all hooks let them pass or none is sent.
   *
   * @param messages What to send.
   * @param options One delay and one cause for all.
   * @returns The messages as they were stored.
   * @throws The same as {@linkcode Broker.enqueue}.
   */
  enqueueMany<M extends Message>(
    messages: readonly M[],
    options: EnqueueOptions = {},
  ): Promise<M[]> {
    return this.#sender.enqueueMany(messages, options);
  }

  /**
   * Puts a delayed message whose time has come on its queue. Workers do so with what the
   * consumer of a delay queue gave them, and acknowledge that then.
   *
   * @param delivery What the consumer gave.
   * @throws The same as {@linkcode Broker.enqueue}.
   */
  enqueueDue(delivery: MessageProxy): Promise<void> {
    return this.#sender.enqueueDue(delivery);
  }

  /**
   * Stores a message that takes the place of a delayed one. Brokers that can take that
   * off its delay queue in the same step override this.
   */
  protected storeDue(message: Message, _delivery: MessageProxy): void | Promise<void> {
    return this.store([message]);
  }

  /** @internal Begins to send a message that is stored in a transaction of the application. */
  protected prepareNow<M extends Message>(
    message: M,
    options: EnqueueOptions,
  ): [queued: M, delay: number | undefined] {
    return this.#sender.prepareNow(message, options);
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
    return toQueued(message, delay, this.clock);
  }

  /** @internal Delays a message that was delivered and has not begun; it is acknowledged then. */
  postpone(delivery: MessageProxy, delay: number): Promise<void> {
    return this.#sender.postpone(delivery, delay);
  }

  /** @internal Stores a message together with changes of the control store: both, or neither. */
  enqueueWith(
    message: Message,
    changes: readonly ControlChange[],
    options: EnqueueOptions,
  ): Promise<ControlOutcome> {
    return this.#sender.enqueueWith(message, changes, options);
  }

  /**
   * @internal Stores a message if changes of the control store are applied, in one step. Brokers whose
   * control store is in the same place override this, and say so by `storesWithChanges`.
   */
  protected storeWith(
    _message: Message,
    _changes: readonly ControlChange[],
  ): Promise<ControlOutcome> {
    throw new TypeError(
      `Cannot store messages with changes: ${this.constructor.name} does not support it`,
    );
  }

  /** @internal */
  protected makeClaims(): Claims {
    return this.#sender.makeClaims();
  }

  /** @internal Steps of unique messages. These know neither stays nor whether a message is gone. */
  protected get uniqueSteps(): UniqueSteps {
    return {
      isStored: () => Promise.resolve(true),
      stayOf: ({ messageId }) => messageId,
      changeDelayed: (_claim, _eta, changes) => this.controlStore!.change(changes),
    };
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
   */
  deadLetters(
    queueName: string,
    options: DeadLetterOptions = {},
  ): AsyncGenerator<DeadLetter, void, undefined> {
    const canonical = toCanonicalQueueName(queueName, "read the dead letters of queue");
    return showDeadLetters(canonical, options, {
      read: (reading) => this.readDeadLetters(canonical, reading),
      requeue: (stored, message) => this.#sender.requeueDead(canonical, stored, message),
    });
  }

  /**
   * Opens an inspector: it lists queues, messages and workers, and changes single messages.
   *
   * @returns The inspector. It connects with its first call; close it when it is no longer needed.
   * @throws {TypeError} If this broker has none.
   */
  inspect(): Inspector {
    throw new NoInspector(
      `Cannot inspect the broker: ${this.constructor.name} does not support it`,
    );
  }

  /** @internal Parts of the broker for its inspector. */
  protected get inspectionHost(): InspectionHost {
    const { queues, reportSources } = this;
    return {
      queues,
      reportSources,
      requeue: (queueName, stored, message) => this.#sender.requeueDead(queueName, stored, message),
      runNow: (queueName, message, store) => this.#sender.runNow(queueName, message, store),
    };
  }

  /** @internal A worker of this process begins to report. */
  offerReport(source: ReportSource): void {
    this.reportSources.add(source);
  }

  /** @internal A worker that reports is gone. Brokers that store its report remove that. */
  withdrawReport(source: ReportSource): void | Promise<void> {
    this.reportSources.delete(source);
  }

  /**
   * Reads dead letters as they are stored, those that are there when it begins. A broker that
   * has them in flight meanwhile waits for `settled` before it gives the others back.
   *
   * @param queueName The queue, not that of its delayed messages.
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
}
