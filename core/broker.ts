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
  /** The middleware, in order. @default {defaultMiddleware()} */
  middleware?: readonly Middleware[];
  /** Clock of delays, limits and backoffs. @default {systemClock} */
  clock?: Clock;
}

/**
 * Stores messages of senders for workers.
 *
 * To write one: extend this class, implement the abstract methods, extend
 * {@linkcode Consumer}, and run `tests/conformance/broker.ts` on the pair.
 * A constructor stores and checks its options; the first method that needs the server connects.
 */
export abstract class Broker extends ActorRegistry implements AsyncDisposable {
  /** Clock of delays, limits and backoffs. */
  readonly clock: Clock;
  /** True if its messages are visible only in this thread of this process. */
  readonly isInMemory: boolean = false;
  /**
   * Milliseconds after which a worker requeues a message that it has fetched and cannot start. It
   * fetches no more of that queue until there is room.
   */
  readonly maxWait: number = Infinity;
  /**
   * True if the server dead-letters messages that are requeued too often. Workers then do not requeue
   * a message whose retry, result or callback cannot be stored, but keep trying to store it.
   */
  readonly countsDeliveries: boolean = false;
  /** @internal True if it stores a message and changes of the control store in one step. */
  readonly storesWithChanges: boolean = false;
  /** @internal Workers of this process that report. */
  readonly reportSources: Set<ReportSource> = new Set();
  readonly #sender: Sender;

  /**
   * Stores the options.
   *
   * @param options The middleware and the clock.
   * @param defaults Makes the middleware if the options have none: `defaultMiddleware`.
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

  /** Milliseconds for which the server has not answered consumers; 0 if it answers. */
  get silentFor(): number {
    return 0;
  }

  /** @internal Ids of brokers of other libraries that share the queues, and ignore pauses. */
  findForeignBrokers(): Promise<string[]> {
    return Promise.resolve([]);
  }

  /** Stores messages on their queues. A promise, if any, resolves when the server has confirmed them. */
  protected abstract store(messages: readonly Message[]): void | Promise<void>;

  /**
   * Opens a consumer of a queue or delay queue. It connects when it first receives.
   *
   * @param queueName The queue, as declared, or its delay queue.
   * @param options The prefetch.
   * @returns The consumer.
   * @throws {TypeError} If the name is not valid, or an option is not known.
   */
  abstract consume(queueName: string, options?: ConsumeOptions): Consumer;

  /** Drops all messages of a queue and its delay queue. */
  abstract flush(queueName: string): Promise<void>;

  /** Drops all messages of all declared queues. */
  async flushAll(): Promise<void> {
    for (const queueName of this.queues) await this.flush(queueName);
  }

  /**
   * Waits until a queue and its delay queue are empty and none of their messages is in flight.
   *
   * @param queueName The queue.
   * @param options The timeout, and a signal.
   * @throws {QueueJoinTimeout} If the timeout is over before.
   * @throws The reason of the signal, if it aborts before.
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
   * Stores a message on its queue, or on its delay queue.
   *
   * @param message The message.
   * @param options The delay, the signal, and the message that caused this one.
   * @returns The stored message, once the server has confirmed it. The `queueName` of a delayed
   *   message is the delay queue.
   * @throws {TypeError} If it cannot be encoded, its queue name is not valid, or a
   *   `prepareMessage` hook returns something else than a message.
   * @throws {BrokerConnectionError} If the server cannot be reached.
   * @throws {MiddlewareError} If a middleware refuses it.
   * @throws The reason of the signal, if it aborts before the server has confirmed the message.
   */
  enqueue<M extends Message>(message: M, options: EnqueueOptions = NO_DELAY): Promise<M> {
    return this.#sender.enqueue(message, options);
  }

  /**
   * Stores many messages in order. If a hook refuses one of them, none is sent.
   *
   * @param messages The messages.
   * @param options A delay, a signal and a cause for all messages.
   * @returns The stored messages, once the server has confirmed them.
   * @throws The same as {@linkcode Broker.enqueue}.
   */
  enqueueMany<M extends Message>(
    messages: readonly M[],
    options: EnqueueOptions = {},
  ): Promise<M[]> {
    return this.#sender.enqueueMany(messages, options);
  }

  /**
   * Stores a due delayed message on its queue. Workers call it for the messages of a delay queue, and
   * acknowledge them afterwards.
   *
   * @param delivery The message, as the consumer of the delay queue delivered it.
   * @throws The same as {@linkcode Broker.enqueue}.
   */
  enqueueDue(delivery: MessageProxy): Promise<void> {
    return this.#sender.enqueueDue(delivery);
  }

  /**
   * Stores a due message on its queue. Brokers that can remove it from the delay queue in the same step
   * override this.
   */
  protected storeDue(message: Message, _delivery: MessageProxy): void | Promise<void> {
    return this.store([message]);
  }

  /** @internal Prepares a message that is stored in a transaction of the application. */
  protected prepareNow<M extends Message>(
    message: M,
    options: EnqueueOptions,
  ): [queued: M, delay: number | undefined] {
    return this.#sender.prepareNow(message, options);
  }

  /**
   * Sets the delay queue and the `eta` of a delayed message. Brokers that add options extend this.
   *
   * @param message The message.
   * @param delay Milliseconds; `undefined` if it is not delayed.
   * @returns The message, or a changed copy.
   * @throws {TypeError} If its queue name is not valid.
   */
  protected prepare(message: Message, delay: number | undefined): Message {
    return toQueued(message, delay, this.clock);
  }

  /** @internal Stores a delivered message on its delay queue; the caller acknowledges it. */
  postpone(delivery: MessageProxy, delay: number): Promise<void> {
    return this.#sender.postpone(delivery, delay);
  }

  /** @internal Stores a message and changes of the control store: both, or neither. */
  enqueueWith(
    message: Message,
    changes: readonly ControlChange[],
    options: EnqueueOptions,
  ): Promise<ControlOutcome> {
    return this.#sender.enqueueWith(message, changes, options);
  }

  /**
   * @internal Stores a message if changes of the control store are applied, in one step. Brokers that can
   * do so override this, and set `storesWithChanges`.
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

  /** @internal Steps of unique messages, for brokers that cannot tell whether a message is stored. */
  protected get uniqueSteps(): UniqueSteps {
    return {
      isStored: () => Promise.resolve(true),
      stayOf: ({ messageId }) => messageId,
      changeDelayed: (_claim, _eta, changes) => this.controlStore!.change(changes),
    };
  }

  /**
   * Reads the dead letters of a queue, oldest first, a page at a time. Messages that are dead-lettered
   * meanwhile are not included.
   *
   * Call `requeue` or `drop` inside the loop: a broker may hold dead letters only while it reads.
   *
   * @param queueName The queue.
   * @param options The size of a page.
   * @returns The dead letters. They stay unless they are requeued or dropped.
   * @throws {QueueNotFound} If the broker requires queues to be declared, and this one is not.
   * @throws {BrokerConnectionError} If the server cannot be reached.
   * @throws {TypeError} If this broker cannot read them, the queue name is not valid, or an option is not
   *   known.
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
   * @returns The inspector. It connects when first used; close it when it is no longer needed.
   * @throws {TypeError} If this broker does not support it.
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

  /** @internal Registers a worker of this process that reports. */
  offerReport(source: ReportSource): void {
    this.reportSources.add(source);
  }

  /** @internal Removes a worker that has reported. Brokers that have stored its report remove that. */
  withdrawReport(source: ReportSource): void | Promise<void> {
    this.reportSources.delete(source);
  }

  /**
   * Reads the dead letters that are stored when it begins. A broker that holds them meanwhile waits for
   * `settled` before it puts the others back.
   *
   * @param queueName The queue.
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
