import { answered, type Channel, closeChannel, type Delivered } from "./client.ts";
import type { RabbitmqDelivery } from "./delivery.ts";
import { UnacknowledgedDeliveries } from "./unacknowledged_deliveries.ts";

/** A consumer that uses a channel. */
export interface ChannelUser {
  /** Called when the channel is closed, with the server's reason, if any. */
  channelLost(channel: ConsumerChannel, reason: Error | undefined, isShared: boolean): void;
}

/**
 * A channel on which consumers receive and settle messages. Several can share one: each has its own
 * prefetch, but when the server closes the channel, all lose it.
 */
export class ConsumerChannel {
  readonly #channel: Channel;
  /** Unsettled deliveries of all its users. */
  readonly #open: UnacknowledgedDeliveries = new UnacknowledgedDeliveries();
  readonly #users: Set<ChannelUser> = new Set();
  #isClosed = false;

  /**
   * Wraps a channel that has just been opened.
   *
   * @param channel The channel.
   * @param closed Called when it is closed, before `channelLost` of its users.
   */
  constructor(channel: Channel, closed: (channel: ConsumerChannel) => void) {
    this.#channel = channel;
    let reason: Error | undefined;
    channel.on("error", (error) => reason = error);
    channel.on("close", () => {
      this.#isClosed = true;
      this.#open.clear();
      closed(this);
      const isShared = this.#users.size > 1;
      for (const user of [...this.#users]) user.channelLost(this, reason, isShared);
      this.#users.clear();
    });
  }

  /** Number of consumers that use it. */
  get userCount(): number {
    return this.#users.size;
  }

  /** True if it can no longer be used. */
  get isClosed(): boolean {
    return this.#isClosed;
  }

  /** Adds a consumer. */
  join(user: ChannelUser): void {
    this.#users.add(user);
  }

  /**
   * Removes a consumer that was cancelled, and requeues its unsettled messages. After the last one, the
   * channel is closed, which does the same.
   */
  async leave(user: ChannelUser): Promise<void> {
    if (!this.#users.delete(user) || this.#isClosed) return;
    if (this.#users.size === 0) {
      this.#isClosed = true; // no consumer may join
      this.#open.clear();
      return await closeChannel(this.#channel);
    }
    try {
      this.giveBack([...this.#open].filter((delivery) => delivery.user === user));
      await answered(this.#channel); // RabbitMQ has requeued them
    } catch {
      // It was closed just now, which requeues them.
    }
  }

  /**
   * Starts to consume a queue.
   *
   * @param queueName The queue.
   * @param prefetch Maximum of unacknowledged messages of this consumer.
   * @param listener Receives messages; `null` means that the server has cancelled the consumer.
   * @returns The consumer tag.
   */
  async consume(
    queueName: string,
    prefetch: number,
    listener: (message: Delivered | null) => void,
  ): Promise<string> {
    // Sent without a wait in between, so that no other consumer gets this prefetch.
    const limited = this.#channel.prefetch(prefetch);
    const consuming = this.#channel.consume(queueName, listener);
    const [{ consumerTag }] = await Promise.all([consuming, limited]);
    return consumerTag;
  }

  /** Cancels a consumer. Resolves when no more messages can arrive. */
  async cancel(consumerTag: string): Promise<void> {
    await this.#channel.cancel(consumerTag);
  }

  /** Resolves when all messages that were sent before have arrived. */
  async caughtUp(): Promise<void> {
    await this.#channel.prefetch(1); // any method with a reply; the next consumer sets its own
  }

  /** Notes a delivery, the latest one. */
  add(delivery: RabbitmqDelivery, user: ChannelUser): void {
    delivery.user = user;
    this.#open.add(delivery);
  }

  /** Takes a delivery, to settle it. @returns False if it was settled before. */
  take(delivery: RabbitmqDelivery): boolean {
    return this.#open.delete(delivery);
  }

  /** Acknowledges deliveries that were taken. */
  acknowledge(deliveries: readonly RabbitmqDelivery[]): void {
    this.#open.acknowledge(this.#channel, deliveries);
  }

  /** Requeues deliveries. */
  giveBack(deliveries: readonly RabbitmqDelivery[]): void {
    for (const delivery of deliveries) {
      this.#open.delete(delivery);
      this.#channel.nack(delivery.raw, false, true);
    }
  }

  /** Rejects deliveries that were taken: RabbitMQ dead-letters them. */
  reject(deliveries: readonly RabbitmqDelivery[]): void {
    for (const { raw } of deliveries) this.#channel.nack(raw, false, false);
  }
}
