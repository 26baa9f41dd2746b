import { ConnectionClosed, ConnectionFailed } from "../../core/errors.ts";
import type { Delivered, Model } from "./client.ts";
import type { ChannelUser, ConsumerChannel } from "./consumer_channel.ts";
import type { RabbitmqSession } from "./session.ts";
import { ConnectionRefused, explain, replyCode } from "./errors.ts";

/** Options of a {@linkcode Subscription}. */
export interface SubscriptionOptions {
  readonly queueName: string;
  readonly prefetch: number;
  /** It is about to have messages delivered, from this server. */
  opening(server: string): void;
  /** A message has come. */
  delivered(raw: Delivered, channel: ConsumerChannel): void;
  /** No more messages come, until it is wanted again; what came can still be settled. */
  paused(channel: ConsumerChannel): void;
  /**
   * Its channel is closed, and with it what came on it.
   *
   * @param reason Why, if the server has said so.
   * @param isShared Whether that may be because of another consumer.
   */
  lost(reason: Error | undefined, isShared: boolean): void;
  /** It cannot go on. */
  failed(error: Error): void;
}

/**
 * The part of a consumer that has messages delivered.
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
   * Stores what to subscribe to.
   *
   * @param session The broker.
   * @param options The queue, and who hears of it.
   */
  constructor(session: RabbitmqSession, options: SubscriptionOptions) {
    this.#session = session;
    this.#options = options;
  }

  /** The channel on which messages came, as long as it is there. */
  get channel(): ConsumerChannel | undefined {
    return this.#channel;
  }

  /** True if messages are wanted. */
  get isWanted(): boolean {
    return this.#isWanted;
  }

  /** Has messages delivered, now and until it is paused. */
  want(): void {
    this.#isWanted = true;
    if (this.#consumerTag === undefined) this.#subscribing ??= this.#subscribe();
  }

  /** Has no more messages delivered. Resolves when none can come any more. */
  pause(): Promise<void> {
    this.#isWanted = false;
    if (this.#consumerTag !== undefined) this.#pausing = this.#unsubscribe(this.#consumerTag);
    return this.#pausing;
  }

  /** Lets go of its channel. What is not settled goes back. */
  drop(): void {
    void this.#channel?.leave(this);
    this.#channel = undefined;
    this.#consumerTag = undefined;
  }

  /** Resolves when all that was sent to it by now has arrived. */
  async caughtUp(): Promise<void> {
    await this.#subscribing;
    await this.#channel?.caughtUp();
  }

  /**
   * Has no more messages delivered, for good, and gives back what is not settled.
   *
   * @param settled Waits for what is to be settled before.
   */
  async close(settled: () => Promise<void>): Promise<void> {
    this.#isClosed = true;
    await this.#subscribing;
    await this.#pausing;
    const channel = this.#channel;
    if (channel === undefined) return;
    // What is settled is not to come a second time.
    if (this.#consumerTag !== undefined) await channel.cancel(this.#consumerTag).catch(() => {});
    await settled();
    await channel.leave(this);
  }

  /** Hears that its channel is closed. */
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
          // Else it was lost meanwhile: with the connection, or because of another consumer.
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

  /** An unavailable server comes back; the connection logs that, and tries. */
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
      return; // it is closed, and says so by itself
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

/** True if a consumer lost its channel for what another one did. */
function isBystander(error: unknown): boolean {
  return error instanceof Error && /^Channel (ended|closed)/.test(error.message);
}
