import { answered, type Channel, closeChannel, type Delivered } from "./client.ts";
import type { RabbitmqDelivery } from "./delivery.ts";
import { UnacknowledgedDeliveries } from "./unacknowledged_deliveries.ts";

/** A consumer that uses a channel. */
export interface ChannelUser {
  /** Hears that the channel is closed, why, if the server has said so, and whether others had it. */
  channelLost(channel: ConsumerChannel, reason: Error | undefined, isShared: boolean): void;
}

/**
 * A channel on which consumers are given messages, and settle them. Several can share one:
 * each has its own prefetch, but when the server closes the channel, all lose it.
 */
export class ConsumerChannel {
  readonly #channel: Channel;
  /** Unsettled deliveries of all its users. */
  readonly #open: UnacknowledgedDeliveries = new UnacknowledgedDeliveries();
  readonly #users: Set<ChannelUser> = new Set();
  #isClosed = false;

  /**
   * Takes over a channel that has just been opened.
   *
   * @param channel The channel.
   * @param closed Called when it is closed, before its users hear of it.
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

  /** True if it can still be used. */
  get isClosed(): boolean {
    return this.#isClosed;
  }

  /** Adds a consumer. */
  join(user: ChannelUser): void {
    this.#users.add(user);
  }

  /**
   * Takes a consumer out, whose consuming has ended. What it has not settled goes back to its
   * place. Without users the channel is closed, which does the same.
   */
  async leave(user: ChannelUser): Promise<void> {
    if (!this.#users.delete(user) || this.#isClosed) return;
    if (this.#users.size === 0) {
      this.#isClosed = true; // nobody joins any more
      this.#open.clear();
      return await closeChannel(this.#channel);
    }
    try {
      this.giveBack([...this.#open].filter((delivery) => delivery.user === user));
      await answered(this.#channel); // they are back
    } catch {
      // It was closed just now, which gives all back.
    }
  }

  /**
   * Has messages of a queue delivered.
   *
   * @param queueName The queue.
   * @param prefetch How many at once, of this queue.
   * @param listener Takes them; `null` says that the server has ended it.
   * @returns What ends it.
   */
  async consume(
    queueName: string,
    prefetch: number,
    listener: (message: Delivered | null) => void,
  ): Promise<string> {
    // Without a wait in between, so that no other consumer gets this prefetch.
    const limited = this.#channel.prefetch(prefetch);
    const consuming = this.#channel.consume(queueName, listener);
    const [{ consumerTag }] = await Promise.all([consuming, limited]);
    return consumerTag;
  }

  /** Has no more messages delivered. Resolves when none can be on their way. */
  async cancel(consumerTag: string): Promise<void> {
    await this.#channel.cancel(consumerTag);
  }

  /** Resolves when all that was sent before has arrived. */
  async caughtUp(): Promise<void> {
    await this.#channel.prefetch(1); // any question; the next consumer sets its own
  }

  /** Notes a delivery, the latest one. */
  add(delivery: RabbitmqDelivery, user: ChannelUser): void {
    delivery.user = user;
    this.#open.add(delivery);
  }

  /** Takes a delivery out, to settle it; whether it was to be settled. */
  take(delivery: RabbitmqDelivery): boolean {
    return this.#open.delete(delivery);
  }

  /** Acknowledges deliveries that were taken out. */
  acknowledge(deliveries: readonly RabbitmqDelivery[]): void {
    this.#open.acknowledge(this.#channel, deliveries);
  }

  /** Gives deliveries back to their queue. */
  giveBack(deliveries: readonly RabbitmqDelivery[]): void {
    for (const delivery of deliveries) {
      this.#open.delete(delivery);
      this.#channel.nack(delivery.raw, false, true);
    }
  }

  /** Has RabbitMQ put deliveries that were taken out on the dead letter queue. */
  reject(deliveries: readonly RabbitmqDelivery[]): void {
    for (const { raw } of deliveries) this.#channel.nack(raw, false, false);
  }
}
