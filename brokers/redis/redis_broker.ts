import { defaultMiddleware } from "../../middleware/defaults.ts";
import { RedisControlStore } from "../../control/backends/redis.ts";
import { Broker } from "../../core/broker.ts";
import { checkPrefetch, type ConsumeOptions, type Consumer } from "../../core/consumer.ts";
import type { UniqueSteps } from "../../core/claim_entries.ts";
import type { ControlChange, ControlOutcome } from "../../core/control_store.ts";
import type { ReadDeadLettersOptions, StoredDeadLetter } from "../../core/dead_letters.ts";
import { closedFor } from "../../core/delivery_state.ts";
import type { JoinOptions } from "../../core/join.ts";
import type { Inspector } from "../../core/inspection.ts";
import { ReportCollector } from "../../core/report_collector.ts";
import type { ReportSource } from "../../core/report_source.ts";
import type { Message } from "../../core/message.ts";
import type { MessageProxy } from "../../core/message_proxy.ts";
import { assertQueueOrDelayQueueName, toCanonicalQueueName } from "../../core/queue_names.ts";
import { randomUuid } from "../../platform/runtime.ts";
import type { EnqueueOptions } from "../../core/actor_options.ts";
import { findForeignBrokers, newBrokerId } from "./broker_id.ts";
import { readDeadLetters } from "./dead_letters.ts";
import type { RestoredDelayed } from "./delay_registry.ts";
import { DueDelivery } from "./delivery.ts";
import { openSession } from "./open_session.ts";
import { type CheckedOptions, checkOptions, type RedisBrokerOptions } from "./options.ts";
import { EnqueueBatcher, toEntry } from "./enqueue_batcher.ts";
import { Heartbeat } from "./heartbeat.ts";
import { countMessages, joinQueue, purgeQueue, type QueueMessageCounts } from "./queue_state.ts";
import type { RedisSession } from "./session.ts";
import { Recovery } from "./recovery.ts";
import { RedisConsumer } from "./redis_consumer.ts";
import { RedisInspector } from "./inspector.ts";
import { withdrawReport } from "./report_writer.ts";
import { storeWithChanges, uniqueStepsOf } from "./unique_messages.ts";

/**
 * A broker on Redis 6.2 or later, or Valkey, that shares its queues with Python's dramatiq:
 * the same keys, values and scores.
 *
 * A message that is enqueued while no command is pending is sent at once. Otherwise all messages of one
 * turn of the event loop are sent in one batch, and so are acknowledgements.
 * Redis notifies idle consumers of new messages. Delayed messages wait in Redis. Messages of a dead
 * worker are requeued within `heartbeatTimeout` and a second.
 *
 * A process that sends has one connection. One that consumes has three, whatever the number of
 * queues: one for commands, and two for notifications. Several servers need more, see the docs.
 *
 * Source: `tests/vectors/redis_broker.json`.
 *
 * @example Send to a Redis
 * ```ts
 * import { actor, RedisBroker, setBroker } from "@dq/dramatiq";
 *
 * setBroker(new RedisBroker({ url: "redis://127.0.0.1:6379/0" }));
 * const add = actor(function add(a: number, b: number) {
 *   return a + b;
 * });
 * export const send = () => add.send(1, 2); // connects
 * ```
 */
export class RedisBroker extends Broker {
  /** @internal */
  override readonly storesWithChanges: boolean = true;
  /** Unique among the brokers that share its queues. */
  readonly brokerId: string = newBrokerId();
  /** Prefix of all keys. */
  readonly namespace: string;
  readonly #session: RedisSession;
  readonly #recovery: Recovery;
  readonly #heartbeat: Heartbeat;
  readonly #reports: ReportCollector;
  readonly #options: CheckedOptions;
  readonly #batchers: EnqueueBatcher;
  #controlStore: RedisControlStore | undefined;
  #closing: Promise<void> | undefined;
  #isClosed = false;

  /**
   * Stores the options; the first command connects.
   *
   * @param options Where Redis is, and how to use it.
   * @throws {TypeError} If an option cannot be used.
   * @throws {RangeError} If a time is not above 0.
   */
  constructor(options: RedisBrokerOptions = {}) {
    const checked = checkOptions(options);
    super(options, defaultMiddleware);
    this.namespace = checked.namespace;
    this.#session = openSession(this.brokerId, this.clock, checked);
    this.#batchers = new EnqueueBatcher(this.#session);
    this.#recovery = new Recovery(this.#session, this, checked);
    this.#options = checked;
    this.#reports = new ReportCollector(this.reportSources, checked.maintenanceInterval);
    this.#heartbeat = new Heartbeat(this.#session, {
      reports: this.#reports,
      interval: checked.maintenanceInterval,
      heartbeatTimeout: checked.heartbeatTimeout,
      recovery: this.#recovery,
    });
  }

  /** The control store, in the namespace of the queues and on the connections of the broker. */
  override get controlStore(): RedisControlStore {
    const { clock, namespace } = this;
    this.#controlStore ??= new RedisControlStore({ clock, namespace }, this.#session);
    return this.#controlStore;
  }

  /** Milliseconds for which Redis has not answered; 0 while it does. */
  override get silentFor(): number {
    return this.#session.connection.silentFor;
  }

  /** @internal Finds brokers in Python by their heartbeats. */
  override findForeignBrokers(): Promise<string[]> {
    return findForeignBrokers(this.#session);
  }

  /** Connects now. @throws {BrokerConnectionError} If the server cannot be reached. */
  override async connect(): Promise<void> {
    this.#assertOpen("connect");
    await this.#session.connection.command("connect", "ping");
  }

  /**
   * Opens a consumer. The consumer of a delay queue sorts its messages by eta, in Redis, and receives
   * those that are due.
   *
   * @throws {TypeError} If the queue name is not valid.
   * @throws {RangeError} If the prefetch is not a whole number above 0.
   * @throws {ConnectionClosed} If the broker is closed.
   */
  consume(queueName: string, options: ConsumeOptions = {}): Consumer {
    this.#assertOpen(`consume "${queueName}"`);
    assertQueueOrDelayQueueName(queueName, "consume queue");
    const prefetch = checkPrefetch(queueName, options);
    this.#heartbeat.start();
    return new RedisConsumer(queueName, prefetch, this.#session);
  }

  /**
   * Counts the messages of a queue.
   *
   * @returns Their number in each state. Unacknowledged ones are those of all workers.
   * @throws {BrokerConnectionError} If the server cannot be reached.
   */
  async getQueueMessageCounts(queueName: string): Promise<QueueMessageCounts> {
    const canonical = toCanonicalQueueName(queueName, "count the messages of queue");
    return await countMessages(this.#session, canonical);
  }

  /**
   * Drops all messages of a queue, delayed ones and dead letters included. Messages that workers are
   * running run to their end.
   *
   * @throws {BrokerConnectionError} If the server cannot be reached.
   */
  async flush(queueName: string): Promise<void> {
    // Names are checked: "q.msgs" would drop the texts of the queue "q".
    await purgeQueue(this.#session, toCanonicalQueueName(queueName, "flush queue"));
  }

  /**
   * Waits until a queue and its delay queue are empty, and no worker anywhere has an unacknowledged
   * message of them.
   *
   * @throws {QueueJoinTimeout} If that takes longer than the timeout.
   * @throws {BrokerConnectionError} If the server cannot be reached, or the broker is closed.
   * @throws The reason of the signal, if that aborts first.
   */
  async join(queueName: string, options: JoinOptions = {}): Promise<void> {
    await joinQueue(this.#session, queueName, options);
  }

  /**
   * Requeues the messages of dead workers, and drops dead letters past their retention time. Workers do
   * both regularly; this is for programs that cannot wait for that.
   *
   * @throws {BrokerConnectionError} If the server cannot be reached.
   */
  async maintain(): Promise<void> {
    await this.#recovery.takeOver();
    await this.#recovery.expire();
    await this.#recovery.forgetSilent();
  }

  /** Stores a message on its queue, or delays it, by the clock of the server. */
  override enqueue<M extends Message>(message: M, options?: EnqueueOptions): Promise<M> {
    const { serverClock } = this.#session;
    const isDelayed = options?.delay !== undefined || this.claims?.delays(message.actorName);
    if (!isDelayed || serverClock.isKnown) return super.enqueue(message, options);
    return serverClock.learn().then(() => super.enqueue(message, options));
  }

  /** Stores many messages at once, in order. */
  override async enqueueMany<M extends Message>(
    messages: readonly M[],
    options?: EnqueueOptions,
  ): Promise<M[]> {
    const { serverClock } = this.#session;
    const isDelayed = options?.delay !== undefined || this.claims !== undefined &&
        messages.some(({ actorName }) => this.claims!.delays(actorName));
    if (isDelayed && !serverClock.isKnown) await serverClock.learn();
    return await super.enqueueMany(messages, options);
  }

  /**
   * Moves delayed messages back to the delay queue, in the order of their etas, for workers in
   * Python. Workers of this library sort them into a set that Python does not read, and restore them
   * when the last one stops. While one serves the queue, this does nothing.
   *
   * @returns How many messages were restored, and how many workers serve the queue.
   * @throws {BrokerConnectionError} If the server cannot be reached.
   */
  async restoreDelayed(queueName: string): Promise<RestoredDelayed> {
    const canonical = toCanonicalQueueName(queueName, "restore the delayed messages of queue");
    return await this.#session.delayRegistry.restore(canonical);
  }

  /** Opens an inspector, with a connection of its own. */
  override inspect(): Inspector {
    return new RedisInspector(this.inspectionHost, this.#options, this.clock);
  }

  /** @internal Removes the report of a worker from the server. */
  override async withdrawReport(source: ReportSource): Promise<void> {
    super.withdrawReport(source);
    await withdrawReport(this.#session, this.#reports, source);
  }

  /** Gives back the messages of its consumers, sends what is pending, and closes all connections. */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  /** Stores messages, in one batch with others of this turn of the event loop. */
  protected store(messages: readonly Message[]): Promise<void> {
    this.#assertOpen("enqueue");
    return this.#batchers.store(messages);
  }

  /** @internal As {@linkcode Broker.enqueueWith}, with delays by the clock of the server. */
  override async enqueueWith(
    message: Message,
    changes: readonly ControlChange[],
    options: EnqueueOptions,
  ): Promise<ControlOutcome> {
    const { serverClock } = this.#session;
    if (options.delay !== undefined && !serverClock.isKnown) await serverClock.learn();
    return await super.enqueueWith(message, changes, options);
  }

  /** @internal Stores a message if changes are applied, in one script. */
  protected override async storeWith(
    message: Message,
    changes: readonly ControlChange[],
  ): Promise<ControlOutcome> {
    this.#assertOpen("enqueue");
    return await storeWithChanges(this.#session, this.controlStore, message, changes);
  }

  /** @internal A message gets a new id on Redis each time that it is enqueued. */
  protected override get uniqueSteps(): UniqueSteps {
    return { ...super.uniqueSteps, ...uniqueStepsOf(this.#session) };
  }

  /** Moves a delayed message to its queue, atomically. */
  protected override async storeDue(message: Message, delivery: MessageProxy): Promise<void> {
    if (!(delivery instanceof DueDelivery)) return await this.store([message]);
    this.#assertOpen("enqueue");
    const batcher = this.#batchers.promoted(message.queueName);
    await batcher.add([delivery.id, ...toEntry(message)]);
    delivery.isPromoted = true;
  }

  /**
   * Gives a message a new id on Redis, and its eta by the clock of the server.
   */
  protected override prepare(message: Message, delay: number | undefined): Message {
    const { lead } = this.#session.serverClock;
    const delayByServer = delay === undefined || lead === 0 ? delay : delay + lead;
    return super.prepare(message.with("redis_message_id", randomUuid()), delayByServer);
  }

  /** Reads dead letters in the order of their deaths. */
  protected override readDeadLetters(
    queueName: string,
    options: ReadDeadLettersOptions,
  ): AsyncIterable<StoredDeadLetter> {
    this.#assertOpen(`read the dead letters of "${queueName}"`);
    return readDeadLetters(this.#session, queueName, options.pageSize);
  }

  async #close(): Promise<void> {
    const { queues, connection, storing, notifier, serverClock, delayRegistry } = this.#session;
    // Delayed messages that wait for this reading are still sent.
    if (serverClock.learning !== undefined) await serverClock.learning;
    this.#isClosed = true;
    this.#heartbeat.stop();
    const consumers = Array.from(queues.values(), (queue) => [...queue.consumers]).flat();
    await Promise.allSettled(consumers.map((consumer) => consumer.close()));
    await Promise.all(delayRegistry.registered.map((queueName) => delayRegistry.leave(queueName)));
    await this.#batchers.emptied();
    await this.#controlStore?.close();
    notifier.close();
    if (connection.isUp) await this.#heartbeat.leave().catch(() => {});
    connection.close();
    storing.close();
  }

  #assertOpen(what: string): void {
    if (this.#isClosed) throw closedFor(what);
  }
}
