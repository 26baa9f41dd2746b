import { closedFor } from "../../core/delivery_state.ts";
import { defaultMiddleware } from "../../middleware/defaults.ts";
import type { Actor } from "../../core/actor.ts";
import { Broker } from "../../core/broker.ts";
import { pause } from "../../platform/clock.ts";
import { checkPrefetch, type ConsumeOptions, type Consumer } from "../../core/consumer.ts";
import type { ControlStore } from "../../core/control_store.ts";
import type { ReadDeadLettersOptions, StoredDeadLetter } from "../../core/dead_letters.ts";
import { joinByPolling, type JoinOptions } from "../../core/join.ts";
import type { ReportSource } from "../../core/report_source.ts";
import type { Inspector } from "../../core/inspection.ts";
import type { Message } from "../../core/message.ts";
import {
  assertQueueOrDelayQueueName,
  delayQueueName,
  toCanonicalQueueName,
} from "../../core/queue_names.ts";
import { retryDelay } from "../../platform/retry_delay.ts";
import type { Channel } from "./client.ts";
import { type BrokerParts, makeParts } from "./broker_parts.ts";
import { longestWait, warnOfTimeLimit } from "./consumer_timeout.ts";
import { readDeadLetters } from "./dead_letters.ts";
import { RabbitmqDelayConsumer } from "./delay_consumer.ts";
import { isIdle } from "./idle_queue.ts";
import { RabbitmqInspector } from "./inspector.ts";
import { ManagementApi } from "./management_api.ts";
import { outagesOf, RabbitmqConnection } from "./connection.ts";
import { type CheckedOptions, checkOptions, type RabbitmqBrokerOptions } from "./options.ts";
import { type Publication, publicationOf, Receipt, UNPROVEN_LENGTH } from "./publication.ts";
import { RabbitmqQueueConsumer } from "./queue_consumer.ts";
import { ConnectionRefused } from "./errors.ts";
import { ReportResponder } from "./reports.ts";

/** Numbers of messages on a queue, as far as AMQP provides them. */
export interface RabbitmqMessageCounts {
  /** Waiting to be delivered. */
  readonly ready: number;
  /** Waiting for their eta, without those that workers hold, or that move between queues just then. */
  readonly delayed: number;
  /** Dead letters. */
  readonly dead: number;
}

/** Milliseconds between two checks whether a queue is empty. */
const JOIN_INTERVAL = 25;
/** Milliseconds of retries during an outage. */
const RETRY_TIMEOUT = 5_000;
/** Largest prefetch of AMQP. */
const MAX_PREFETCH = 65_535;

/**
 * A broker on RabbitMQ 3.8 or later that shares its queues with Python's dramatiq: the same
 * queues, arguments, properties and bodies.
 *
 * Messages sent in one turn of the event loop are written together, thousands may be unconfirmed,
 * and each `send` resolves when RabbitMQ has confirmed it. Delayed messages wait in RabbitMQ.
 *
 * A process has one connection for publishing and one for consuming, each opened when first needed.
 * Each consumer has its own channel, up to some hundreds; further consumers share these.
 *
 * Source: `tests/vectors/rabbitmq_broker.json`.
 *
 * @example Send to a RabbitMQ
 * ```ts
 * import { actor, RabbitmqBroker, setBroker } from "@dq/dramatiq";
 *
 * setBroker(new RabbitmqBroker({ url: "amqp://guest:guest@127.0.0.1:5672/" }));
 * const add = actor(function add(a: number, b: number) {
 *   return a + b;
 * });
 * export const send = () => add.send(1, 2); // connects
 * ```
 */
export class RabbitmqBroker extends Broker {
  /** Five seconds at most, or a quarter of `consumerTimeout`. */
  override readonly maxWait: number;
  /** True for quorum queues. */
  override readonly countsDeliveries: boolean;
  readonly #controlStore: ControlStore | undefined;
  readonly #consumerTimeout: number;
  readonly #options: CheckedOptions;
  #reports: ReportResponder | undefined;
  readonly #parts: BrokerParts;
  /** Queues that this broker has consumed. */
  readonly #consumed: Set<string> = new Set();
  #closing: Promise<void> | undefined;

  /**
   * Stores the options; the first message or consumer connects.
   *
   * @param options Where RabbitMQ is, and how to use it.
   * @throws {TypeError} If an option cannot be used.
   * @throws {RangeError} If a number is out of range.
   */
  constructor(options: RabbitmqBrokerOptions = {}) {
    const checked = checkOptions(options);
    super(options, defaultMiddleware);
    this.countsDeliveries = checked.queueType === "quorum";
    this.#consumerTimeout = checked.consumerTimeout;
    this.maxWait = longestWait(checked);
    this.#parts = makeParts(this.clock, checked, options.control);
    this.#controlStore = options.control;
    this.#options = checked;
  }

  /** The control store of the options, if any. */
  override get controlStore(): ControlStore | undefined {
    return this.#controlStore;
  }

  /** Milliseconds since RabbitMQ was last heard from; 0 while the connection of consumers is up. */
  override get silentFor(): number {
    return this.#parts.session.connection.silentFor;
  }

  /**
   * Opens the connection for publishing now, rather than with the first message.
   *
   * @throws {BrokerConnectionError} If the server cannot be reached.
   */
  override async connect(): Promise<void> {
    await this.#control("connect to RabbitMQ", async () => {});
  }

  /**
   * Opens a consumer. The consumer of a delay queue receives messages that are due; the others wait in
   * RabbitMQ.
   *
   * @throws {TypeError} If the queue name is not valid.
   * @throws {RangeError} If the prefetch is not a whole number from 1 to 65535.
   * @throws {ConnectionClosed} If the broker is closed.
   */
  consume(queueName: string, options: ConsumeOptions = {}): Consumer {
    this.#assertOpen(`consume "${queueName}"`);
    assertQueueOrDelayQueueName(queueName, "consume queue");
    const prefetch = checkPrefetch(queueName, options, MAX_PREFETCH);
    if (queueName === delayQueueName(queueName)) {
      return new RabbitmqDelayConsumer(queueName, prefetch, this.#parts.session);
    }
    if (!this.#consumed.has(queueName)) {
      this.#consumed.add(queueName);
      for (const actor of this.actors.values()) {
        if (actor.queueName === queueName) warnOfTimeLimit(this, actor, this.#consumerTimeout);
      }
    }
    return new RabbitmqQueueConsumer(queueName, prefetch, this.#parts.session);
  }

  /** Declares an actor, and warns if it may run for longer than the consumer timeout. */
  override declareActor(actor: Actor): void {
    super.declareActor(actor);
    if (this.#consumed.has(actor.queueName)) warnOfTimeLimit(this, actor, this.#consumerTimeout);
  }

  /**
   * Counts the messages of a queue, which is declared if necessary. AMQP has no count of messages in
   * flight.
   *
   * @param queueName The queue.
   * @returns Their number in each state.
   * @throws {BrokerConnectionError} If the server cannot be reached.
   */
  async getQueueMessageCounts(queueName: string): Promise<RabbitmqMessageCounts> {
    const canonical = toCanonicalQueueName(queueName, "count the messages of queue");
    return await this.#control(`count the messages of "${canonical}"`, async (channel) => {
      // The ladder first, since messages move from there to the queue: none is missed.
      const onLadder = await this.#parts.session.ladder.count(channel, canonical);
      const [ready, delayed, dead] = await this.#parts.topology.declareOn(channel, canonical);
      return { ready, delayed: delayed + onLadder, dead };
    });
  }

  /**
   * Drops all messages of a queue, delayed ones and dead letters included. Messages that workers have
   * received run to their end.
   *
   * @throws {BrokerConnectionError} If the server cannot be reached.
   */
  async flush(queueName: string): Promise<void> {
    const canonical = toCanonicalQueueName(queueName, "flush queue");
    await this.#control(`flush queue "${canonical}"`, async (channel) => {
      await this.#parts.topology.declareOn(channel, canonical);
      for (const name of [canonical, `${canonical}.DQ`, `${canonical}.XQ`]) {
        await channel.purgeQueue(name);
      }
      await this.#parts.session.ladder.purge(channel, canonical);
    });
  }

  /**
   * Waits until a queue, its delay queue and its ladder are empty, and no worker of this process has
   * messages of them in flight. Those of other processes are not known: AMQP has no count of them.
   *
   * @throws {QueueJoinTimeout} If that takes longer than the timeout.
   * @throws {BrokerConnectionError} If the server cannot be reached, or the broker is closed.
   * @throws The reason of the signal, if that aborts first.
   */
  async join(queueName: string, options: JoinOptions = {}): Promise<void> {
    toCanonicalQueueName(queueName, "join queue");
    const { clock } = this;
    const last = { returned: 0 };
    const count = () => this.getQueueMessageCounts(queueName);
    const check = async () => {
      await this.connect(); // to know the server
      return await isIdle({ server: () => this.#parts.publishing.server, queueName, count }, last);
    };
    const polled = { queueName, clock, interval: JOIN_INTERVAL, isIdle: check };
    await joinByPolling(polled, options);
  }

  /** Opens an inspector, with a connection of its own. It reads dead letters on that of consumers. */
  override inspect(): Inspector {
    const { sources, queueType, managementUrl } = this.#options;
    const { session } = this.#parts;
    return new RabbitmqInspector(this.inspectionHost, {
      clock: this.clock,
      isQuorum: queueType === "quorum",
      connection: new RabbitmqConnection("inspect", sources, outagesOf(sources)),
      api: managementUrl && new ManagementApi(managementUrl, sources[0]!),
      readDeadLetters: (queueName, options) => this.readDeadLetters(queueName, options),
      purgeLadder: (channel, queueName) => session.ladder.purge(channel, queueName),
      control: this.#controlStore,
    });
  }

  /** @internal Starts to answer requests for reports. */
  override offerReport(source: ReportSource): void {
    super.offerReport(source);
    const { connection } = this.#parts.session;
    this.#reports ??= new ReportResponder(connection, this.clock, this.reportSources);
    this.#reports.start();
  }

  /** @internal Stops to answer requests after the last worker. */
  override withdrawReport(source: ReportSource): void {
    super.withdrawReport(source);
    if (this.reportSources.size === 0) this.#reports?.stop();
  }

  /** Requeues the messages of its consumers, sends what is pending, and closes all connections. */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  /** Stores messages, in one write with others of this turn of the event loop. */
  protected store(messages: readonly Message[]): Promise<void> {
    this.#assertOpen("enqueue");
    const receipt = new Receipt(messages.length);
    const [first] = messages;
    if (messages.length === 1) {
      this.#add(this.#publication(first!, receipt));
      return receipt.promise;
    }
    // All messages are encoded before any is sent: one that cannot be encoded throws.
    const publications = messages.map((message) => this.#publication(message, receipt));
    for (const publication of publications) this.#add(publication);
    return receipt.promise;
  }

  /** Reads dead letters in the order of their deaths. */
  protected override readDeadLetters(
    queueName: string,
    options: ReadDeadLettersOptions,
  ): AsyncIterable<StoredDeadLetter> {
    this.#assertOpen(`read the dead letters of "${queueName}"`);
    return readDeadLetters(this.#parts.session, queueName, options);
  }

  /** Actors may set the priority of their messages. */
  protected override get ownActorOptions(): readonly string[] {
    return ["brokerPriority"];
  }

  /** Publishes a message, a large one always with confirmation: it may close a channel without. */
  #add(publication: Publication): void {
    const isRisky = publication.length > UNPROVEN_LENGTH;
    (isRisky ? this.#parts.session.confirmedPublisher : this.#parts.publisher).add(publication);
  }

  #publication(message: Message, receipt: Receipt): Publication {
    const priority = this.getOption<number | undefined>(message, "brokerPriority", undefined);
    return publicationOf(message, priority, receipt);
  }

  /** Runs an operation on queues, with retries during an outage. */
  async #control<T>(purpose: string, operate: (channel: Channel) => Promise<T>): Promise<T> {
    this.#assertOpen(purpose);
    const giveUpAt = performance.now() + RETRY_TIMEOUT;
    for (let attempts = 0;; attempts++) {
      try {
        return await this.#parts.topology.control(purpose, operate);
      } catch (error) {
        const delay = retryDelay(attempts);
        const isFinal = this.#parts.publishing.isUp || error instanceof ConnectionRefused ||
          error instanceof TypeError;
        if (isFinal || this.#closing !== undefined || performance.now() + delay > giveUpAt) {
          throw error;
        }
        await pause(this.clock, delay);
      }
    }
  }

  async #close(): Promise<void> {
    this.#reports?.stop();
    const { consumers, confirmedPublisher } = this.#parts.session;
    await Promise.allSettled(Array.from(consumers, (consumer) => consumer.close()));
    for (const publisher of new Set([confirmedPublisher, this.#parts.publisher])) {
      await publisher.emptied();
      await publisher.close();
    }
    await Promise.all([this.#parts.publishing.close(), this.#parts.session.connection.close()]);
    await this.#controlStore?.close();
  }

  #assertOpen(what: string): void {
    if (this.#closing !== undefined) throw closedFor(what);
  }
}
