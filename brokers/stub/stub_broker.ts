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
   * True if `join` throws the error of the first dead letter, unless it is told
   * otherwise.
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

/** Milliseconds of history that are kept. */
const HISTORY = 3_600_000;

const KNOWN_OPTIONS: KnownOptions<StubBrokerOptions> = {
  middleware: true,
  clock: true,
  failFast: true,
};

/**
 * A broker in the memory of this process: for tests, and for programs that are
 * their own worker. It keeps encoded messages, as the others do; it loses them
 * when the process ends.
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
  /** Minutes of workers that are gone. */
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

  /** The control store, which is gone with the broker. */
  override get controlStore(): StubControlStore {
    this.#controlStore ??= new StubControlStore({ clock: this.clock });
    return this.#controlStore;
  }

  /** All dead letters, the first one first. */
  get allDeadLetters(): readonly MessageProxy[] {
    return this.#deadLetters.all;
  }

  /** The dead letters by the queue that they came from. */
  get deadLettersByQueue(): ReadonlyMap<string, readonly MessageProxy[]> {
    return this.#deadLetters.byQueue;
  }

  /**
   * Opens a consumer.
   *
   * @throws {QueueNotFound} If the queue is not declared.
   * @throws {TypeError} If that is not a valid queue name.
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
      bury: (message) => this.#deadLetters.add(message, this.clock.now()),
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

  /** Ends the claims of a queue: nothing is there any more that could have one. */
  async #dropClaims(queueName: string): Promise<void> {
    if (this.claims === undefined) return;
    const { entries } = await this.controlStore.read(CLAIM_PREFIX);
    const dropped = entries.filter((entry) => toClaim(entry)?.queueName === queueName);
    await this.controlStore.change(dropped.map(({ key }) => ({ key, value: null })));
  }

  /**
   * Waits until a queue and its delay queue are empty and nothing of them is being
   * worked on.
   *
   * @param queueName The queue.
   * @param options How long to wait, and whether to throw what actors threw.
   * @throws {QueueNotFound} If the queue is not declared.
   * @throws {QueueJoinTimeout} If the time is over before.
   * @throws {ConnectionClosed} If the broker is, or gets, closed.
   * @throws The reason of the signal, if that aborts before.
   * @throws With `failFast`, the error of the first dead letter of the queue.
   */
  async join(queueName: string, options: StubJoinOptions = {}): Promise<void> {
    const { failFast = this.#failFast, signal } = options;
    toCanonicalQueueName(queueName, "join queue");
    const timeout = joinTimeout(queueName, options);
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
   * Puts back all that consumers of queues have, as if their workers had died. Delayed messages do
   * not run: those of delay queues stay where they are.
   *
   * @internal For tests of what becomes of such messages.
   */
  loseConsumers(): void {
    for (const consumer of [...this.#consumers]) {
      if (consumer.queueName === canonicalQueueName(consumer.queueName)) consumer.lose();
    }
  }

  /** Closes all consumers. What is in the queues is gone with the broker. */
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
      disinter: (letter, message) => this.#deadLetters.disinter(letter, message),
    });
  }

  /** @internal Keeps the history of a worker that is gone. */
  override withdrawReport(source: ReportSource): void {
    const since = this.clock.now() - HISTORY;
    this.#history = [...this.#history, ...source.minutes].filter(({ at }) => at > since);
    super.withdrawReport(source);
  }

  /** Stores encoded messages. */
  protected store(messages: readonly Message[]): void {
    this.#assertOpen("enqueue");
    // All or none: what cannot be encoded throws before anything is stored.
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
    message.encode(); // what cannot be encoded throws before anything is changed
    const outcome = await this.controlStore.change(changes);
    if (outcome.applied) this.store([message]);
    return outcome;
  }

  /** Refuses queues that are not declared before any hook hears of the message. */
  protected override prepare(message: Message, delay: number | undefined): Message {
    const prepared = super.prepare(message, delay);
    this.#queue(message.queueName);
    return prepared;
  }

  /** Reads the dead letters that there are. */
  protected override async *readDeadLetters(queueName: string): AsyncGenerator<StoredDeadLetter> {
    this.#queue(queueName); // refuses those that are not declared
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
