import { type ChannelUser, ConsumerChannel } from "./consumer_channel.ts";
import { Notifier } from "../../platform/notifier.ts";
import { createChannel, type Model } from "./client.ts";

/** Maximum of channels: more would cost more than their isolation is worth. */
const MOST_CHANNELS = 500;
/** Number of channels reserved for other purposes: control, and reading dead letters. */
const RESERVE = 10;

/**
 * The channels of all consumers of a broker. Each consumer has its own, so that the loss of a channel
 * affects no others; when there are no more, they are shared.
 *
 * Some queues have their channel closed whenever they are consumed (an exclusive consumer elsewhere, no
 * permission). So that their retries affect no others, such queues share one channel.
 */
export class ConsumerChannels {
  /** Channels that are open or opening. */
  readonly #channels: Set<ConsumerChannel> = new Set();
  #opening = 0;
  /** Notifies when an attempt to open a channel has ended. */
  readonly #opened: Notifier = new Notifier();
  /** Queues that the server has closed a channel for. */
  readonly #suspects: Set<string> = new Set();
  #ofSuspects: ConsumerChannel | undefined;

  /**
   * Adds a consumer to a channel, which it must leave when it is closed.
   *
   * @param model The connection.
   * @param queueName The queue to consume.
   * @param user The consumer.
   * @throws {Error} The error of amqplib, if no channel can be opened.
   */
  async join(model: Model, queueName: string, user: ChannelUser): Promise<ConsumerChannel> {
    while (true) {
      const channel = this.#suspects.has(queueName)
        ? await this.#joinSuspects(model)
        : this.#canOpen(model)
        ? await this.#open(model)
        : this.#leastUsed();
      if (channel === undefined) await this.#opened.next(); // all are still opening
      else if (!channel.isClosed) {
        channel.join(user);
        return channel;
      }
    }
  }

  /** Notes that the server closed a channel because a queue was consumed. */
  suspect(queueName: string): void {
    this.#suspects.add(queueName);
  }

  /** Notes that a queue can be consumed. */
  trust(queueName: string): void {
    this.#suspects.delete(queueName);
  }

  async #joinSuspects(model: Model): Promise<ConsumerChannel> {
    const present = this.#ofSuspects;
    if (present !== undefined && !present.isClosed) return present;
    const channel = new ConsumerChannel(await createChannel(model), () => {});
    this.#ofSuspects = channel;
    return channel;
  }

  #canOpen(model: Model): boolean {
    const count = this.#channels.size + this.#opening;
    return count < mostChannels(model);
  }

  #leastUsed(): ConsumerChannel | undefined {
    let best: ConsumerChannel | undefined;
    for (const channel of this.#channels) {
      if (channel.isClosed) continue;
      if (best === undefined || channel.userCount < best.userCount) best = channel;
    }
    return best;
  }

  async #open(model: Model): Promise<ConsumerChannel> {
    this.#opening += 1;
    try {
      const opened = await createChannel(model);
      const channel = new ConsumerChannel(opened, (closed) => this.#channels.delete(closed));
      this.#channels.add(channel);
      return channel;
    } catch (error) {
      const present = this.#leastUsed(); // the server may allow fewer than it has announced
      if (present === undefined) throw error;
      return present;
    } finally {
      this.#opening -= 1;
      this.#opened.notify();
    }
  }
}

function mostChannels({ connection: { channelMax } }: Model): number {
  const reserve = Math.min(RESERVE, Math.ceil(channelMax / 4));
  return Math.min(MOST_CHANNELS, Math.max(1, channelMax - reserve));
}
