import { ConnectionFailed } from "../../core/errors.ts";
import { errorMessage } from "../../platform/thrown.ts";
import { closeChannel } from "./client.ts";
import type { RabbitmqConnection } from "./connection.ts";
import type { Publication } from "./publication.ts";
import { ConfirmChannel, type ConfirmChannelOwner } from "./confirm_channel.ts";

/** Milliseconds without any confirmation after which a channel is replaced. */
const LONGEST_SILENCE = 5_000;

/** The publisher of {@linkcode ConfirmChannels}. */
export interface ConfirmChannelsOwner {
  /** True if the connection is up, and the server does not block it. */
  readonly isReading: boolean;
  /** Called when there may be room again: the current channel was replaced. */
  roomMade(): void;
  /** Called when the current channel was replaced because of a queue: that of its oldest message. */
  stalled(queueName: string): void;
}

/**
 * The channels of a publisher: the current one, and former ones, each of which is closed when all of its
 * messages are confirmed.
 *
 * A channel on which nothing is confirmed is replaced. In RabbitMQ 3.10, a channel whose first message
 * to a quorum queue comes while the node of its leader hangs does nothing until the other nodes declare
 * that node dead, which takes a minute by default. A new channel works as soon as there is another
 * leader. If much was sent on the old one, RabbitMQ does not even read the request to open another;
 * then the connection is dropped.
 */
export class ConfirmChannels {
  readonly #owner: ConfirmChannelsOwner;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #current: ConfirmChannel | undefined;
  readonly #left: Set<ConfirmChannel> = new Set();

  constructor(owner: ConfirmChannelsOwner) {
    this.#owner = owner;
  }

  /** The current channel, if it is open. */
  get current(): ConfirmChannel | undefined {
    return this.#current;
  }

  /**
   * Opens a channel, which becomes the current one.
   *
   * @param connection The connection.
   * @param isConfirmed True to have the server confirm messages.
   * @param owner The publisher.
   * @param window Maximum of unconfirmed messages on the channel.
   * @throws {ConnectionFailed} If there is no connection, or the channel cannot be opened.
   */
  async open(
    connection: RabbitmqConnection,
    isConfirmed: boolean,
    owner: ConfirmChannelOwner,
    window?: number,
  ): Promise<void> {
    await connection.whenUp(); // outside of the `try`: its errors are thrown unchanged
    const heard = () => this.#left.values().reduce((sum, one) => sum + one.confirmations, 0);
    try {
      const { model, channel } = await connection.openChannel({ isConfirmed, heard });
      this.#current = new ConfirmChannel(model, channel, isConfirmed, owner, window);
    } catch (error) {
      throw new ConnectionFailed(`Cannot open a channel: ${errorMessage(error)}`, { cause: error });
    }
  }

  /** Leaves the current channel: no more is sent on it, but messages on it may still be confirmed. */
  leave(): void {
    if (this.#current !== undefined) this.#left.add(this.#current);
    this.#current = undefined;
    this.tidy();
  }

  /** Watches the current channel, and leaves it if it is silent. Cheap if it is watched already. */
  watch(): void {
    if (this.#timer !== undefined) return;
    const channel = this.#current;
    const { confirmations, progress } = channel ?? {};
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      const isSame = channel !== undefined && channel === this.#current;
      const isSilent = isSame && channel.isBusy && channel.confirmations === confirmations;
      const isHeldUp = isSilent || (isSame && channel.isFull && channel.progress === progress);
      if (isHeldUp && this.#owner.isReading) this.#leaveHeldUp(channel);
      else if (this.#current?.isBusy === true) this.watch();
    }, LONGEST_SILENCE);
  }

  #leaveHeldUp(channel: ConfirmChannel): void {
    const queueName = channel.oldest?.queueName;
    this.leave();
    if (queueName !== undefined) this.#owner.stalled(queueName);
    this.#owner.roomMade();
  }

  /**
   * Removes a closed channel.
   *
   * @returns True if it was in use.
   */
  remove(channel: ConfirmChannel): boolean {
    if (this.#current !== channel) return this.#left.delete(channel);
    this.#current = undefined;
    return true;
  }

  /** Closes former channels whose messages are all confirmed. */
  tidy(): void {
    for (const channel of this.#left) {
      if (channel.isBusy) continue;
      this.#left.delete(channel);
      void closeChannel(channel.channel);
    }
  }

  /** True if messages are unconfirmed. */
  get isBusy(): boolean {
    return this.#current?.isBusy === true || this.#left.size > 0;
  }

  /** A number that changes when the server confirms the oldest message. */
  get progress(): number | undefined {
    const [longestLeft] = this.#left;
    return (longestLeft ?? this.#current)?.progress;
  }

  /** When the oldest unconfirmed message was added; `Infinity` if there is none. */
  get oldest(): number {
    let oldest = this.#current?.oldest?.waitsSince ?? Infinity;
    for (const channel of this.#left) {
      oldest = Math.min(oldest, channel.oldest?.waitsSince ?? Infinity);
    }
    return oldest;
  }

  /** Gives up unconfirmed messages: see `ConfirmChannel.abandon`. */
  abandon(addedBefore: number): Publication[] {
    const abandoned = [...this.#left].flatMap((channel) => channel.abandon(addedBefore));
    abandoned.push(...this.#current?.abandon(addedBefore) ?? []);
    this.tidy();
    return abandoned;
  }

  /** Closes the current channel. No message may be unconfirmed. */
  async close(): Promise<void> {
    clearTimeout(this.#timer);
    const channel = this.#current;
    this.#current = undefined;
    this.tidy();
    if (channel !== undefined) await closeChannel(channel.channel);
  }
}
