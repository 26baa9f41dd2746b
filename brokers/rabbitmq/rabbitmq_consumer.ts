import { AbortListener } from "../../core/abort_listener.ts";
import { Consumer, type ReceiveOptions } from "../../core/consumer.ts";
import { ConnectionClosed, ConnectionFailed } from "../../core/errors.ts";
import type { MessageProxy } from "../../core/message_proxy.ts";
import { Signal } from "../../core/signal.ts";
import { decodeFromQueue } from "../../core/undecodable_message.ts";
import { type Channel, closeChannel, type Delivered, type Model } from "./client.ts";
import { deadLetterHeaders, publishDeadLetter } from "./dead_letter.ts";
import { RabbitmqDelivery } from "./delivery.ts";
import { forgetInHand, noteInHand } from "./in_hand.ts";
import { Moves } from "./moves.ts";
import { OpenDeliveries } from "./open_deliveries.ts";
import type { Session } from "./session.ts";
import { closedFor, ConnectionRefused, explain } from "./trouble.ts";

/**
 * Takes messages off a queue, on a channel of its own.
 *
 * idle ─(receive)▶ subscribing ─▶ subscribed ─▶ failed (channel lost, queue gone) | closed
 *                      ▲              │
 *                      └──────────────┘ connection lost while nothing was in hand
 *
 * What was handed out and not settled when its channel is lost is RabbitMQ's again: the
 * consumer fails, `isLost` is true, and nothing of it is acknowledged any more.
 */
export abstract class RabbitmqConsumer extends Consumer {
  protected readonly session: Session;
  protected readonly prefetch: number;
  /** Delivered, and not settled. */
  protected readonly open: OpenDeliveries = new OpenDeliveries();
  /** What goes to other queues instead of being handed out. */
  protected readonly moves: Moves;
  /** Delivered, and not yet handed out. */
  #ready: RabbitmqDelivery[] = [];
  /** How many were handed out, and are not settled. */
  #handedOut = 0;
  /** Tells `receive` to look again. */
  readonly #changed: Signal = new Signal();
  #channel: Channel | undefined;
  #consumerTag: string | undefined;
  /** The server of that channel. */
  #server = "";
  #subscribing: Promise<void> | undefined;
  #error: unknown;
  #closing: Promise<void> | undefined;
  readonly #wake = (): void => this.#changed.tell();
  readonly #abort: AbortListener = new AbortListener(this.#wake);

  constructor(queueName: string, prefetch: number, session: Session) {
    super(queueName);
    this.session = session;
    this.prefetch = prefetch;
    this.moves = new Moves(session, this.open, () => this.#channel);
  }

  /** Decides what becomes of a message that was delivered. */
  protected abstract arrived(delivery: RabbitmqDelivery): void;

  /** Whether it is closed, or about to be. */
  protected get isClosed(): boolean {
    return this.#closing !== undefined;
  }

  /** Whether what it gave may be somebody else's by now. */
  override get isLost(): boolean {
    return this.#error !== undefined;
  }

  /** How many messages RabbitMQ has given it and not heard of again. */
  get inHand(): number {
    return this.open.size;
  }

  async receive(limit: number, { signal }: ReceiveOptions = {}): Promise<MessageProxy[]> {
    this.#abort.follow(signal);
    while (!this.isClosed && !signal?.aborted) {
      if (this.#error !== undefined) throw this.#error;
      if (this.#ready.length > 0) {
        const messages = this.#ready.splice(0, limit);
        this.#handedOut += messages.length;
        return messages;
      }
      if (this.#channel === undefined) this.#subscribing ??= this.#subscribe();
      await this.#changed.next();
    }
    return [];
  }

  // deno-lint-ignore require-await -- asynchronous for others, and so are its errors
  async ack(messages: readonly MessageProxy[]): Promise<void> {
    this.#acknowledge(this.#take(messages));
  }

  async nack(messages: readonly MessageProxy[]): Promise<void> {
    if (!this.isClosed) this.#assertNotLost();
    const open = (messages as readonly RabbitmqDelivery[]).filter(({ isOpen }) => isOpen);
    if (open.length === 0) return;
    const headers = deadLetterHeaders(this.queueName, this.session.clock.now());
    const { mover } = this.session;
    this.moves.began();
    try {
      // Each by itself: one that fails is delivered again, the others are not.
      const outcomes = await Promise.allSettled(
        open.map((one) => publishDeadLetter(mover, this.queueName, one, headers)),
      );
      const isAs = (value: boolean) => (_: unknown, i: number) =>
        (outcomes[i] as { value?: boolean }).value === value;
      this.#acknowledge(this.#take(open.filter(isAs(true))));
      this.#reject(this.#take(open.filter(isAs(false))));
      const failed = outcomes.find(({ status }) => status === "rejected");
      if (failed !== undefined) throw (failed as PromiseRejectedResult).reason;
    } finally {
      this.moves.ended();
    }
  }

  // deno-lint-ignore require-await -- asynchronous for others, and so are its errors
  async requeue(messages: readonly MessageProxy[]): Promise<void> {
    const taken = this.#take(messages);
    if (taken.length > 0) this.#giveBack(taken);
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  /** Resolves when all that was sent to this consumer by now has arrived. */
  async caughtUp(): Promise<void> {
    await this.#subscribing;
    await this.#channel?.prefetch(this.prefetch);
  }

  /** Hands a message out, after those before it. */
  protected give(delivery: RabbitmqDelivery): void {
    this.#ready.push(delivery);
    this.#wake();
  }

  /** Fails it: what it gave is no longer its own. */
  #fail(error: unknown): void {
    if (this.isClosed) return;
    this.#error ??= error;
    this.#drop();
  }

  #drop(): void {
    forgetInHand(this.#server, this.queueName, this);
    this.#channel = undefined;
    this.#consumerTag = undefined;
    this.#ready = [];
    this.#handedOut = 0;
    this.moves.clear();
    this.open.clear();
    this.dropped();
    this.#wake();
  }

  /** Lets go of what it holds: its channel is gone. */
  protected dropped(): void {}

  async #subscribe(): Promise<void> {
    const { connection, topology, consumers } = this.session;
    consumers.add(this);
    try {
      while (!this.isClosed && this.#channel === undefined) {
        const model = await this.#whenUp();
        try {
          await topology.declare(this.queueName);
          await this.#consume(await model.createChannel());
        } catch (error) {
          if (connection.isCurrent(model)) throw error; // else it was lost meanwhile
        }
      }
    } catch (error) {
      topology.forget(this.queueName);
      this.#fail(explain(`consume "${this.queueName}"`, error));
    }
    this.#subscribing = undefined;
    this.#wake();
  }

  /** A server that is away comes back; the connection logs that, and tries. */
  async #whenUp(): Promise<Model> {
    while (true) {
      try {
        return await this.session.connection.whenUp();
      } catch (error) {
        const isAway = error instanceof ConnectionFailed && !(error instanceof ConnectionRefused);
        if (!isAway || this.isClosed) throw error;
      }
    }
  }

  async #consume(channel: Channel): Promise<void> {
    let reason: Error | undefined;
    channel.on("error", (error) => reason = error);
    channel.on("close", () => this.#channelLost(channel, reason));
    await channel.prefetch(this.prefetch);
    this.#channel = channel;
    this.#server = this.session.connection.server;
    noteInHand(this.#server, this.queueName, this);
    const { consumerTag } = await channel.consume(this.queueName, (message) => {
      if (this.#channel !== channel) return;
      if (message !== null) this.#delivered(message);
      else this.#cancelled(channel);
    });
    this.#consumerTag = consumerTag;
  }

  #delivered(raw: Delivered): void {
    const delivery = new RabbitmqDelivery(decodeFromQueue(this.queueName, raw.content), raw);
    this.open.add(delivery);
    if (!this.isClosed) this.arrived(delivery); // else it goes back with the channel
  }

  #cancelled(channel: Channel): void {
    this.session.topology.forget(this.queueName);
    this.#fail(
      new ConnectionClosed(
        `Cannot consume "${this.queueName}": RabbitMQ ended it, as it does when ` +
          "a queue is deleted or moves",
      ),
    );
    void closeChannel(channel);
  }

  #channelLost(channel: Channel, reason: Error | undefined): void {
    if (this.#channel !== channel || this.isClosed) return;
    // With nothing in hand nobody needs to know: it subscribes again.
    if (reason === undefined && this.#handedOut === 0) return this.#drop();
    this.session.topology.forget(this.queueName);
    this.#fail(
      explain(`consume "${this.queueName}"`, reason ?? new Error("the connection was lost")),
    );
  }

  #acknowledge(taken: readonly RabbitmqDelivery[]): void {
    if (taken.length === 0) return;
    this.#onChannel((channel) => this.open.acknowledge(channel, taken));
  }

  /** Has RabbitMQ itself put them on the dead letter queue. */
  #reject(deliveries: readonly RabbitmqDelivery[]): void {
    if (deliveries.length === 0) return;
    this.#onChannel((channel) => {
      for (const { raw } of deliveries) channel.nack(raw, false, false);
    });
  }

  #giveBack(deliveries: readonly RabbitmqDelivery[]): void {
    this.#onChannel((channel) => {
      for (const { raw } of deliveries) channel.nack(raw, false, true);
    });
  }

  #onChannel(settle: (channel: Channel) => void): void {
    if (this.#channel === undefined) throw this.#error ?? closedFor("settle messages");
    try {
      settle(this.#channel);
    } catch (error) {
      throw explain(`settle messages of "${this.queueName}"`, error);
    }
  }

  #assertNotLost(): void {
    if (this.#error !== undefined) throw this.#error;
  }

  /** Those that are still this consumer's to settle: not given back, nor settled before. */
  #take(messages: readonly MessageProxy[]): RabbitmqDelivery[] {
    if (!this.isClosed) this.#assertNotLost();
    const taken = (messages as readonly RabbitmqDelivery[]).filter((one) => this.open.delete(one));
    this.#handedOut -= taken.length;
    return taken;
  }

  async #close(): Promise<void> {
    this.#abort.follow(undefined);
    this.moves.stop();
    this.dropped();
    this.#wake();
    await this.#subscribing;
    const channel = this.#channel;
    try {
      if (channel === undefined) return;
      // What is moved is not to come a second time.
      if (this.#consumerTag !== undefined) await channel.cancel(this.#consumerTag).catch(() => {});
      await this.moves.settled();
      await closeChannel(channel); // gives back what is open, each to its place
    } finally {
      this.#drop();
      this.session.consumers.delete(this);
    }
  }
}
