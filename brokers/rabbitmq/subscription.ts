import { ConnectionClosed, ConnectionFailed } from "../../core/errors.ts";
import type { Delivered, Model } from "./client.ts";
import type { ChannelUser, ConsumerChannel } from "./consumer_channel.ts";
import type { RabbitmqSession } from "./session.ts";
import { ConnectionRefused, explain, replyCode } from "./errors.ts";

/** Options of a {@linkcode Subscription}. */
export interface SubscriptionOptions {
  readonly queueName: string;
  readonly prefetch: number;
  /** Called before it consumes from this server. */
  opening(server: string): void;
  /** Called with each message. */
  delivered(raw: Delivered, channel: ConsumerChannel): void;
  /** Called when it is paused. Messages that were delivered can still be settled. */
  paused(channel: ConsumerChannel): void;
  /**
   * Called when its channel is closed: messages on it can no longer be settled.
   *
   * @param reason The server's reason, if any.
   * @param isShared True if another consumer of the channel may be the cause.
   */
  lost(reason: Error | undefined, isShared: boolean): void;
  /** Called after an error that is not retried. */
  failed(error: Error): void;
}

/**
 * The subscription of a consumer to its queue.
 *
 * idle ─(want)▶ subscribing ─▶ subscribed ─(pause)▶ paused, its channel kept ─(want)▶ subscribing
 *                   │             │                    │
 *                   └─────────────┴────────────────────┴─▶ lost, or failed ─▶ idle
 */
export class Subscription implements ChannelUser {
  readonly #session: RabbitmqSession;
  readonly #options: SubscriptionOptions;
  #isWanted = false;
  #isClosed = false;
  #channel: ConsumerChannel | undefined;
  #consumerTag: string | undefined;
  #subscribing: Promise<void> | undefined;
  /** The end of the last `pause`. */
  #pausing: Promise<void> = Promise.resolve();

  /**
   * Stores the options; `want` subscribes.
   *
   * @param session The broker.
   * @param options The queue, and callbacks.
   */
  constructor(session: RabbitmqSession, options: SubscriptionOptions) {
    this.#session = session;
    this.#options = options;
  }

  /** The channel of delivered messages, while it is open. */
  get channel(): ConsumerChannel | undefined {
    return this.#channel;
  }

  /** True if messages are wanted. */
  get isWanted(): boolean {
    return this.#isWanted;
  }

  /** Subscribes, until it is paused. */
  want(): void {
    this.#isWanted = true;
    if (this.#consumerTag === undefined) this.#subscribing ??= this.#subscribe();
  }

  /** Unsubscribes. Resolves when no more messages can arrive. */
  pause(): Promise<void> {
    this.#isWanted = false;
    if (this.#consumerTag !== undefined) this.#pausing = this.#unsubscribe(this.#consumerTag);
    return this.#pausing;
  }

  /** Leaves its channel, which requeues unsettled messages. */
  drop(): void {
    void this.#channel?.leave(this);
    this.#channel = undefined;
    this.#consumerTag = undefined;
  }

  /** Resolves when all messages that were sent to it by now have arrived. */
  async caughtUp(): Promise<void> {
    await this.#subscribing;
    await this.#channel?.caughtUp();
  }

  /**
   * Unsubscribes for good, and requeues unsettled messages.
   *
   * @param settled Waits for messages that are being settled.
   */
  async close(settled: () => Promise<void>): Promise<void> {
    this.#isClosed = true;
    await this.#subscribing;
    await this.#pausing;
    const channel = this.#channel;
    if (channel === undefined) return;
    // Cancelled first, so that no more messages arrive while the others are settled.
    if (this.#consumerTag !== undefined) await channel.cancel(this.#consumerTag).catch(() => {});
    await settled();
    await channel.leave(this);
  }

  /** Called when its channel is closed. */
  channelLost(channel: ConsumerChannel, reason: Error | undefined, isShared: boolean): void {
    if (this.#channel !== channel || this.#isClosed) return;
    this.drop();
    this.#options.lost(reason, isShared);
  }

  async #subscribe(): Promise<void> {
    const { connection, topology } = this.#session;
    const { queueName, failed } = this.#options;
    try {
      await this.#pausing;
      while (this.#isWanted && !this.#isClosed && this.#consumerTag === undefined) {
        const model = await this.#whenUp();
        try {
          await topology.declare(queueName);
          await this.#consume(model);
        } catch (error) {
          // Otherwise the channel was lost with the connection, or because of another consumer.
          if (connection.isCurrent(model) && !isBystander(error)) throw error;
        }
      }
      if (!this.#isWanted && this.#consumerTag !== undefined) {
        await this.#unsubscribe(this.#consumerTag); // it was paused meanwhile
      }
    } catch (error) {
      topology.forget(queueName);
      this.#isWanted = false;
      if (!this.#isClosed) failed(explain(`consume "${queueName}"`, error));
    }
    this.#subscribing = undefined;
    // It may have been paused, and be wanted again.
    if (this.#isWanted && !this.#isClosed) this.want();
  }

  /** Waits for the connection, through any number of failed rounds of attempts. */
  async #whenUp(): Promise<Model> {
    while (true) {
      try {
        return await this.#session.connection.whenUp();
      } catch (error) {
        const isUnavailable = error instanceof ConnectionFailed &&
          !(error instanceof ConnectionRefused);
        if (!isUnavailable || this.#isClosed) throw error;
      }
    }
  }

  async #consume(model: Model): Promise<void> {
    const { channels, connection } = this.#session;
    const { queueName, prefetch } = this.#options;
    const channel = this.#channel ??= await channels.join(model, queueName, this);
    this.#options.opening(connection.server);
    try {
      const tag = await channel.consume(queueName, prefetch, (message) => {
        if (this.#channel !== channel) return;
        if (message !== null) this.#options.delivered(message, channel);
        else this.#cancelled();
      });
      if (this.#channel === channel) this.#consumerTag = tag;
      channels.trust(queueName);
    } catch (error) {
      if (replyCode(error) !== undefined) channels.suspect(queueName);
      throw error;
    }
  }

  async #unsubscribe(consumerTag: string): Promise<void> {
    const channel = this.#channel!;
    this.#consumerTag = undefined;
    try {
      await channel.cancel(consumerTag);
    } catch {
      return; // the channel is closed: `channelLost` follows
    }
    if (this.#channel === channel && !this.#isClosed) this.#options.paused(channel);
  }

  #cancelled(): void {
    const { queueName } = this.#options;
    this.#session.topology.forget(queueName);
    this.#isWanted = false;
    this.#options.failed(
      new ConnectionClosed(
        `Cannot consume "${queueName}": RabbitMQ cancelled it, as it does when a queue is deleted or moved`,
      ),
    );
  }
}

/** True if the channel was closed because of another consumer. */
function isBystander(error: unknown): boolean {
  return error instanceof Error && /^Channel (ended|closed)/.test(error.message);
}
