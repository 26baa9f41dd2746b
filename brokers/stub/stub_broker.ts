import { defaultMiddleware } from "../../middleware/defaults.ts";
import { StubControlStore } from "../../control/backends/stub.ts";
import { Broker, type BrokerOptions } from "../../core/broker.ts";
import { CLAIM_PREFIX, toClaim } from "../../core/claim_entry.ts";
import { checkPrefetch, type ConsumeOptions, type Consumer } from "../../core/consumer.ts";
import type { ControlChange, ControlOutcome } from "../../core/control_store.ts";
import type { StoredDeadLetter } from "../../core/dead_letters.ts";
import { closedFor } from "../../core/delivery_state.ts";
import { QueueNotFound } from "../../core/errors.ts";
import { type JoinOptions, joinTimeout, joinTooLate } from "../../core/join.ts";
import { assertKnownOptions, type KnownOptions } from "../../core/known_options.ts";
import type { Message } from "../../core/message.ts";
import type { MessageProxy } from "../../core/message_proxy.ts";
import {
  assertQueueOrDelayQueueName,
  canonicalQueueName,
  deadLetterQueueName,
  delayQueueName,
  toCanonicalQueueName,
} from "../../core/queue_names.ts";
import type { Inspector } from "../../core/inspection.ts";
import type { HistoryMinute } from "../../core/inspection_reports.ts";
import type { ReportSource } from "../../core/report_source.ts";
import { StubConsumer } from "./consumer.ts";
import { StubInspector, StubKeys } from "./inspector.ts";
import { Notifier } from "../../platform/notifier.ts";
import { StubDeadLetters } from "./dead_letters.ts";
import { StubQueue } from "./queue.ts";

/** Options for {@linkcode StubBroker}. */
export interface StubBrokerOptions extends BrokerOptions {
  /**
   * Default of the same option of `join`: throws the error of the first dead letter.
   *
   * @default {true}
   */
  failFast?: boolean;
}

/** Options of {@linkcode StubBroker.join}. */
export interface StubJoinOptions extends JoinOptions {
  /** Throws the error of the first dead letter of the queue. @default {true} */
  failFast?: boolean;
}

/** Retention time of the history, in milliseconds. */
const HISTORY = 3_600_000;

const KNOWN_OPTIONS: KnownOptions<StubBrokerOptions> = {
  middleware: true,
  clock: "Clock",
  failFast: "boolean",
};

/**
 * A broker in the memory of this process, for tests, and for programs that run their own worker. As other
 * brokers, it stores encoded messages; they are lost when the process ends.
 *
 * @example Test an actor
 * ```ts
 * import { actor, setBroker, StubBroker, Worker } from "@dq/dramatiq";
 *
 * const broker = new StubBroker();
 * setBroker(broker);
 * const greeted: string[] = [];
 * const greet = actor(function greet(name: string) {
 *   greeted.push(name);
 * });
 *
 * await using worker = new Worker(broker);
 * await worker.start();
 * await greet.send("Ada");
 * await broker.join("default"); // throws what an actor threw
 * await worker.join();
 * ```
 */
export class StubBroker extends Broker {
  /** Messages are lost with the realm. */
  override readonly isInMemory: boolean = true;
  /** @internal */
  override readonly storesWithChanges: boolean = true;
  readonly #stored: Map<string, StubQueue> = new Map();
  readonly #consumers: Set<StubConsumer> = new Set();
  readonly #deadLetters: StubDeadLetters = new StubDeadLetters((message) => this.store([message]));
  readonly #keys: StubKeys = new StubKeys();
  /** Minutes of workers that have stopped. */
  #history: HistoryMinute[] = [];
  readonly #failFast: boolean;
  #controlStore: StubControlStore | undefined;
  /** Notifies pending `join` calls that a queue may have become idle. */
  readonly #settled: Notifier = new Notifier();
  #closed = false;

  /**
   * Makes an empty broker.
   *
   * @param options The middleware, the clock and `failFast`.
   */
  constructor(options: StubBrokerOptions = {}) {
    assertKnownOptions("StubBroker", options, KNOWN_OPTIONS);
    super(options, defaultMiddleware);
    this.#failFast = options.failFast ?? true;
  }

  /** The control store, in the memory of the broker. */
  override get controlStore(): StubControlStore {
    this.#controlStore ??= new StubControlStore({ clock: this.clock });
    return this.#controlStore;
  }

  /** All dead letters, the first one first. */
  get allDeadLetters(): readonly MessageProxy[] {
    return this.#deadLetters.all;
  }

  /** Dead letters by queue. */
  get deadLettersByQueue(): ReadonlyMap<string, readonly MessageProxy[]> {
    return this.#deadLetters.byQueue;
  }

  /**
   * Opens a consumer.
   *
   * @throws {QueueNotFound} If the queue is not declared.
   * @throws {TypeError} If the queue name is not valid.
   * @throws {RangeError} If the prefetch is not a whole number above 0.
   * @throws {ConnectionClosed} If the broker is closed.
   */
  consume(queueName: string, options: ConsumeOptions = {}): Consumer {
    this.#assertOpen(`consume "${queueName}"`);
    assertQueueOrDelayQueueName(queueName, "consume queue");
    const prefetch = checkPrefetch(queueName, options);
    const consumer: StubConsumer = new StubConsumer(queueName, {
      queue: this.#queue(queueName),
      prefetch,
      addDeadLetter: (message) => this.#deadLetters.add(message, this.clock.now()),
      onClose: () => this.#consumers.delete(consumer),
    });
    this.#consumers.add(consumer);
    return consumer;
  }

  /** Drops all messages and dead letters of a queue and its delay queue. */
  async flush(queueName: string): Promise<void> {
    toCanonicalQueueName(queueName, "flush queue");
    this.#queue(queueName).clear();
    this.#queue(delayQueueName(queueName)).clear();
    this.#deadLetters.drop(queueName);
    await this.#dropClaims(queueName);
  }

  /** Drops all claims of a queue, whose messages were dropped. */
  async #dropClaims(queueName: string): Promise<void> {
    if (this.claims === undefined) return;
    const { entries } = await this.controlStore.read(CLAIM_PREFIX);
    const dropped = entries.filter((entry) => toClaim(entry)?.queueName === queueName);
    await this.controlStore.change(dropped.map(({ key }) => ({ key, value: null })));
  }

  /**
   * Waits until a queue and its delay queue are empty, and no message of them is unacknowledged.
   *
   * @param queueName The queue.
   * @param options How long to wait, and whether to throw errors of actors.
   * @throws {QueueNotFound} If the queue is not declared.
   * @throws {QueueJoinTimeout} If that takes longer than the timeout.
   * @throws {ConnectionClosed} If the broker is closed, before or meanwhile.
   * @throws The reason of the signal, if that aborts first.
   * @throws With `failFast`, the error of the first dead letter of the queue.
   */
  async join(queueName: string, options: StubJoinOptions = {}): Promise<void> {
    toCanonicalQueueName(queueName, "join queue");
    const timeout = joinTimeout(queueName, options);
    const { failFast = this.#failFast, signal } = options;
    const queues = [this.#queue(queueName), this.#queue(delayQueueName(queueName))];
    let isLate = false;
    const wake = () => this.#settled.notify();
    const timer = timeout === Infinity ? undefined : this.clock.setTimer(() => {
      isLate = true;
      wake();
    }, timeout);
    signal?.addEventListener("abort", wake);
    try {
      while (true) {
        signal?.throwIfAborted();
        this.#assertOpen(`join queue "${queueName}"`);
        if (failFast) this.#deadLetters.throwFirstFailure(queueName);
        if (queues.every((queue) => queue.isIdle)) return;
        if (isLate) throw joinTooLate(queueName, timeout);
        await this.#settled.next();
      }
    } finally {
      signal?.removeEventListener("abort", wake);
      if (timer !== undefined) this.clock.clearTimer(timer);
    }
  }

  /**
   * Requeues the messages of all consumers, as if their workers had died. Consumers of delay queues keep
   * theirs, since delayed messages do not run.
   *
   * @internal For tests of suspects.
   */
  loseConsumers(): void {
    for (const consumer of [...this.#consumers]) {
      if (consumer.queueName === canonicalQueueName(consumer.queueName)) consumer.lose();
    }
  }

  /** Closes all consumers, and drops all messages. */
  async close(): Promise<void> {
    this.#closed = true;
    await Promise.all(Array.from(this.#consumers, (consumer) => consumer.close()));
    for (const queue of this.#stored.values()) queue.clear();
    await this.#controlStore?.close();
    this.#settled.notify();
  }

  /** Opens an inspector. It has nothing to close. */
  override inspect(): Inspector {
    return new StubInspector(this.inspectionHost, this.#keys, {
      clock: this.clock,
      history: () => this.#history,
      queue: (queueName) => this.#queue(queueName),
      consumers: (queueName) =>
        [...this.#consumers].filter((consumer) => consumer.queueName === queueName),
      deadLetters: (queueName) => this.#deadLetters.of(queueName),
      deadLetter: (queueName, key) => this.#deadLetters.get(queueName, key),
      store: (message) => this.store([message]),
      removeDeadLetter: (letter, message) => this.#deadLetters.remove(letter, message),
    });
  }

  /** @internal Keeps the history of a worker that has stopped. */
  override withdrawReport(source: ReportSource): void {
    const since = this.clock.now() - HISTORY;
    this.#history = [...this.#history, ...source.minutes].filter(({ at }) => at > since);
    super.withdrawReport(source);
  }

  /** Stores encoded messages. */
  protected store(messages: readonly Message[]): void {
    this.#assertOpen("enqueue");
    // All messages are encoded before any is stored: one that cannot be encoded throws.
    const stored = messages.map((message) => ({
      queue: this.#queue(message.queueName),
      entry: { data: message.encode(), eta: etaOf(message) },
    }));
    for (const { queue, entry } of stored) queue.push(entry);
  }

  /** @internal Stores a message if changes are applied. */
  protected override async storeWith(
    message: Message,
    changes: readonly ControlChange[],
  ): Promise<ControlOutcome> {
    this.#assertOpen("enqueue");
    message.encode(); // throws before anything is changed, if it cannot be encoded
    const outcome = await this.controlStore.change(changes);
    if (outcome.applied) this.store([message]);
    return outcome;
  }

  /** Throws for a queue that is not declared, before any hook is called. */
  protected override prepare(message: Message, delay: number | undefined): Message {
    const prepared = super.prepare(message, delay);
    this.#queue(message.queueName);
    return prepared;
  }

  /** Reads the present dead letters. */
  protected override async *readDeadLetters(queueName: string): AsyncGenerator<StoredDeadLetter> {
    this.#queue(queueName); // throws if it is not declared
    yield* this.#deadLetters.read(queueName);
  }

  #assertOpen(what: string): void {
    if (this.#closed) throw closedFor(what);
  }

  /** @internal The storage of a declared queue or its delay queue. */
  protected storageOf(queueName: string): StubQueue {
    return this.#queue(queueName);
  }

  #queue(queueName: string): StubQueue {
    const stored = this.#stored.get(queueName);
    if (stored !== undefined) return stored;
    const canonical = canonicalQueueName(queueName);
    if (!this.queues.has(canonical) || queueName === deadLetterQueueName(canonical)) {
      throw new QueueNotFound(
        `Cannot find queue "${queueName}": it is not declared on this broker`,
      );
    }
    const queue = new StubQueue(this.clock, () => this.#settled.notify());
    this.#stored.set(queueName, queue);
    return queue;
  }
}

function etaOf(message: Message): number {
  const eta = message.option("eta");
  return typeof eta === "number" && !Number.isNaN(eta) ? eta : 0;
}
