import { closedFor } from "../../core/delivery_state.ts";
import { AbortListener } from "../../platform/abort_listener.ts";
import {
  checkReceive,
  Consumer,
  type OneOrMany,
  type ReceiveOptions,
  toList,
} from "../../core/consumer.ts";
import type { MessageProxy } from "../../core/message_proxy.ts";
import { Notifier } from "../../platform/notifier.ts";
import { decodeFromQueue } from "../../core/undecodable_message.ts";
import type { Delivered } from "./client.ts";
import type { ConsumerChannel } from "./consumer_channel.ts";
import { deadLetterHeaders, DeadLetterStore } from "./dead_letter.ts";
import { RabbitmqDelivery } from "./delivery.ts";
import { registerConsumer, unregisterConsumer } from "./consumer_registry.ts";
import { Republisher, type RepublisherOwner } from "./republisher.ts";
import type { RabbitmqSession } from "./session.ts";
import { Subscription } from "./subscription.ts";
import { explain } from "./errors.ts";

/**
 * Consumes a queue: messages of its subscription are received, or moved to other queues.
 *
 * open ─▶ failed (channel lost, queue gone) ─▶ closed
 *
 * When its channel is lost, RabbitMQ requeues messages that were received and not settled: the consumer
 * fails, `isLost` is true, and they can no longer be acknowledged. Without such messages, it subscribes
 * again.
 */
export abstract class RabbitmqConsumer extends Consumer implements RepublisherOwner {
  protected readonly session: RabbitmqSession;
  protected readonly prefetch: number;
  /** Moves messages to other queues. */
  protected readonly republisher: Republisher;
  readonly #deadLetters: DeadLetterStore;
  readonly #subscription: Subscription;
  /** Delivered messages that have not been received. */
  #ready: RabbitmqDelivery[] = [];
  /** Number of messages that were delivered and not settled. */
  #inFlight = 0;
  /** Number of messages that were received and not settled. */
  #handedOut = 0;
  #returned = 0;
  /** Ends a wait of `receive`, which then checks again. */
  readonly #changed: Notifier = new Notifier();
  /** The server of its messages. */
  #server = "";
  #error: unknown;
  #closing: Promise<void> | undefined;
  readonly #wake = (): void => this.#changed.notify();
  readonly #abort: AbortListener = new AbortListener(this.#wake);

  constructor(queueName: string, prefetch: number, session: RabbitmqSession) {
    super(queueName);
    this.session = session;
    this.prefetch = prefetch;
    this.republisher = new Republisher(session, this);
    const { clock, confirmedPublisher } = session;
    this.#deadLetters = new DeadLetterStore({
      ...{ clock, confirmedPublisher, queueName, isClosed: () => this.isClosed },
    });
    this.#subscription = new Subscription(session, {
      queueName,
      prefetch,
      opening: (server) => {
        this.#server = server;
        registerConsumer(server, queueName, this);
      },
      delivered: (raw, channel) => this.#delivered(raw, channel),
      paused: (channel) => this.#giveBackRest(channel),
      lost: (reason, isShared) => this.#channelLost(reason, isShared),
      failed: (error) => this.#fail(error),
    });
  }

  /** Handles a delivered message: calls `give`, holds it, or moves it. */
  protected abstract arrived(delivery: RabbitmqDelivery): void;

  /** True if it is closed, or about to be. */
  protected get isClosed(): boolean {
    return this.#closing !== undefined;
  }

  /** True if another consumer may have received its messages. */
  override get isLost(): boolean {
    return this.#error !== undefined;
  }

  /** Number of messages that were delivered and not settled. */
  get inFlight(): number {
    return this.#inFlight;
  }

  /** Number of messages that it has requeued so far. */
  get returned(): number {
    return this.#returned;
  }

  async receive(limit: number, options: ReceiveOptions = {}): Promise<MessageProxy[]> {
    const signal = checkReceive(options);
    this.#abort.follow(signal);
    while (!this.isClosed && !signal?.aborted) {
      if (this.#error !== undefined) throw this.#error;
      if (this.#ready.length > 0) {
        const messages = this.#ready.splice(0, limit);
        this.#handedOut += messages.length;
        return messages;
      }
      this.session.consumers.add(this);
      this.#subscription.want();
      await this.#changed.next();
    }
    return [];
  }

  // deno-lint-ignore require-await -- asynchronous for others, and so are its errors
  async ack(messages: OneOrMany): Promise<void> {
    this.#acknowledge(this.#take(messages));
  }

  async nack(messages: OneOrMany): Promise<void> {
    if (!this.isClosed) this.#assertNotLost();
    const open = (toList(messages) as readonly RabbitmqDelivery[]).filter(({ isOpen }) => isOpen);
    if (open.length === 0) return;
    const headers = deadLetterHeaders(this.queueName, this.session.clock.now());
    this.republisher.began();
    try {
      // Each has its own outcome: only those that fail are delivered again.
      const outcomes = await Promise.allSettled(
        open.map((one) => this.#deadLetters.store(one, headers)),
      );
      const isStored = (i: number) => (outcomes[i] as { value?: boolean }).value;
      this.#acknowledge(this.#take(open.filter((_, i) => isStored(i) === true)));
      this.#reject(this.#take(open.filter((_, i) => isStored(i) === false)));
      const failed = outcomes.find(({ status }) => status === "rejected");
      if (failed !== undefined) throw (failed as PromiseRejectedResult).reason;
    } finally {
      this.republisher.ended();
    }
  }

  // deno-lint-ignore require-await -- asynchronous for others, and so are its errors
  async requeue(messages: OneOrMany): Promise<void> {
    const taken = this.#take(messages);
    if (taken.length > 0) this.#onChannel((channel) => this.#giveBack(channel, taken));
  }

  override async pause(): Promise<void> {
    await this.#subscription.pause();
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  /** Resolves when all messages that were sent to this consumer by now have arrived. */
  caughtUp(): Promise<void> {
    return this.#subscription.caughtUp();
  }

  /** Acknowledges messages that were moved to another queue. */
  moved(deliveries: readonly RabbitmqDelivery[]): void {
    const taken = deliveries.filter((delivery) => this.#takeOne(delivery));
    this.#settleIfPossible((channel) => channel.acknowledge(taken));
  }

  /** Requeues a message that could not be moved. */
  republishFailed(delivery: RabbitmqDelivery): void {
    if (!this.#takeOne(delivery)) return;
    this.#settleIfPossible((channel) => this.#giveBack(channel, [delivery]));
  }

  /** Rejects a message that can never be moved: RabbitMQ dead-letters it. */
  republishRejected(delivery: RabbitmqDelivery): void {
    if (this.#takeOne(delivery)) this.#settleIfPossible((channel) => channel.reject([delivery]));
  }

  /** Makes a message available to `receive`, after those before it. */
  protected give(delivery: RabbitmqDelivery): void {
    this.#ready.push(delivery);
    this.#wake();
  }

  /** Returns the messages that it holds, and holds them no longer. */
  protected letGo(): RabbitmqDelivery[] {
    return [];
  }

  /** Called when all deliveries are lost, or are about to be requeued. */
  protected async dropped(): Promise<void> {}

  /** Fails the consumer: it has lost its deliveries. */
  #fail(error: unknown): void {
    if (this.isClosed) return;
    this.#error ??= error;
    this.#drop();
  }

  /** Leaves its channel, and drops its deliveries. */
  #drop(): void {
    unregisterConsumer(this.#server, this.queueName, this);
    this.#subscription.drop();
    this.#ready = [];
    this.#inFlight = 0;
    this.#handedOut = 0;
    this.republisher.clear();
    this.letGo();
    void this.dropped();
    this.#wake();
  }

  #channelLost(reason: Error | undefined, isShared: boolean): void {
    // Without received messages, the loss has no effect: it subscribes again.
    if (this.#handedOut === 0 && (reason === undefined || isShared)) return this.#drop();
    this.session.topology.forget(this.queueName);
    this.#fail(
      explain(`consume "${this.queueName}"`, reason ?? new Error("the connection was lost")),
    );
  }

  #delivered(raw: Delivered, channel: ConsumerChannel): void {
    const delivery = new RabbitmqDelivery(decodeFromQueue(this.queueName, raw.content), raw);
    channel.add(delivery, this.#subscription);
    this.#inFlight += 1;
    if (this.isClosed) return; // requeued when the channel is left
    if (this.#subscription.isWanted) this.arrived(delivery);
    else this.#ready.push(delivery); // requeued at the end of the pause
  }

  /** Requeues messages that have not been received. */
  #giveBackRest(channel: ConsumerChannel): void {
    const taken = [...this.#ready, ...this.letGo()].filter((one) => this.#takeOne(one));
    this.#ready = [];
    this.#settleIfPossible(() => this.#giveBack(channel, taken));
  }

  #giveBack(channel: ConsumerChannel, taken: readonly RabbitmqDelivery[]): void {
    this.#returned += taken.length;
    channel.giveBack(taken);
  }

  #acknowledge(taken: readonly RabbitmqDelivery[]): void {
    if (taken.length > 0) this.#onChannel((channel) => channel.acknowledge(taken));
  }

  /** Rejects messages: RabbitMQ dead-letters them. */
  #reject(taken: readonly RabbitmqDelivery[]): void {
    if (taken.length > 0) this.#onChannel((channel) => channel.reject(taken));
  }

  #onChannel(settle: (channel: ConsumerChannel) => void): void {
    const { channel } = this.#subscription;
    if (channel === undefined) throw this.#error ?? closedFor("settle messages");
    try {
      settle(channel);
    } catch (error) {
      throw explain(`settle messages of "${this.queueName}"`, error);
    }
  }

  /** For messages that were not passed to the worker: without its channel they are redelivered. */
  #settleIfPossible(settle: (channel: ConsumerChannel) => void): void {
    const { channel } = this.#subscription;
    try {
      if (channel !== undefined) settle(channel);
    } catch {
      // The channel was closed just now: `channelLost` follows.
    }
  }

  #assertNotLost(): void {
    if (this.#error !== undefined) throw this.#error;
  }

  /** Takes the unsettled ones of these messages: others were settled or requeued before. */
  #take(messages: OneOrMany): RabbitmqDelivery[] {
    if (!this.isClosed) this.#assertNotLost();
    const taken = (toList(messages) as readonly RabbitmqDelivery[]).filter((one) =>
      this.#takeOne(one)
    );
    this.#handedOut -= taken.length;
    return taken;
  }

  #takeOne(delivery: RabbitmqDelivery): boolean {
    if (this.#subscription.channel?.take(delivery) !== true) return false;
    this.#inFlight -= 1;
    return true;
  }

  async #close(): Promise<void> {
    this.#abort.follow(undefined);
    this.republisher.stop();
    this.letGo();
    this.#wake();
    try {
      await this.dropped(); // before other consumers can receive them
      await this.#subscription.close(() => this.republisher.settled());
    } finally {
      this.#drop();
      this.session.consumers.delete(this);
    }
  }
}
