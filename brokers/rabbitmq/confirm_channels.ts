import { ConnectionFailed } from "../../core/errors.ts";
import { errorMessage } from "../../platform/thrown.ts";
import { closeChannel } from "./client.ts";
import type { RabbitmqConnection } from "./connection.ts";
import type { Publication } from "./publication.ts";
import { ConfirmChannel, type ConfirmChannelOwner } from "./confirm_channel.ts";

/** Milliseconds without any confirmation after which a channel is left. */
const LONGEST_SILENCE = 5_000;
/** Publisher, as {@linkcode ConfirmChannels} see it. */
export interface ConfirmChannelsOwner {
  /** True if the server is there, and reads. */
  readonly isReading: boolean;
  /** There may be room again: the current one was left. */
  roomMade(): void;
  /** The current one was left since a queue held it up: that of the first message under way. */
  stalled(queueName: string): void;
}

/**
 * The channels of a publisher: the one that it sends on, and those that it has left, each of
 * which is closed when nothing is under way on it any more.
 *
 * A channel on which nothing is confirmed is left, too: in RabbitMQ 3.10 one whose first message to
 * a quorum queue comes while the node of its leader hangs does nothing at all until the other
 * nodes take that node for dead, which is a minute by default. The next channel works as soon as
 * there is another leader. If much was sent on the first one, RabbitMQ does not even read that
 * another one is to be opened; then the connection is dropped.
 */
export class ConfirmChannels {
  readonly #owner: ConfirmChannelsOwner;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #current: ConfirmChannel | undefined;
  readonly #left: Set<ConfirmChannel> = new Set();

  constructor(owner: ConfirmChannelsOwner) {
    this.#owner = owner;
  }

  /** The one to send on, if it is open. */
  get current(): ConfirmChannel | undefined {
    return this.#current;
  }

  /**
   * Opens one, to send on from here on.
   *
   * @param connection Where.
   * @param isConfirmed Whether the server confirms what comes on it.
   * @param owner Who publishes.
   * @param window Maximum of unconfirmed messages on it.
   * @throws {ConnectionFailed} If there is no connection, or that has no channel to give.
   */
  async open(
    connection: RabbitmqConnection,
    isConfirmed: boolean,
    owner: ConfirmChannelOwner,
    window?: number,
  ): Promise<void> {
    await connection.whenUp(); // which fails for reasons of its own
    const heard = () => this.#left.values().reduce((sum, one) => sum + one.confirmations, 0);
    try {
      const { model, channel } = await connection.openChannel({ isConfirmed, heard });
      this.#current = new ConfirmChannel(model, channel, isConfirmed, owner, window);
    } catch (error) {
      throw new ConnectionFailed(`Cannot open a channel: ${errorMessage(error)}`, { cause: error });
    }
  }

  /** Sends nothing more on the current one; what is under way on it may still be confirmed. */
  leave(): void {
    if (this.#current !== undefined) this.#left.add(this.#current);
    this.#current = undefined;
    this.tidy();
  }

  /** Leaves the current one if it turns out to be silent. Cheap when it is watched already. */
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
   * Takes out one that is closed.
   *
   * @returns Whether it was in use.
   */
  remove(channel: ConfirmChannel): boolean {
    if (this.#current !== channel) return this.#left.delete(channel);
    this.#current = undefined;
    return true;
  }

  /** Closes those that were left and have nothing under way. */
  tidy(): void {
    for (const channel of this.#left) {
      if (channel.isBusy) continue;
      this.#left.delete(channel);
      void closeChannel(channel.channel);
    }
  }

  /** True if messages are under way. */
  get isBusy(): boolean {
    return this.#current?.isBusy === true || this.#left.size > 0;
  }

  /** A number that changes when the server confirms the message that has waited longest. */
  get progress(): number | undefined {
    const [longestLeft] = this.#left;
    return (longestLeft ?? this.#current)?.progress;
  }

  /** When the first message under way was added; `Infinity` when there is none. */
  get oldest(): number {
    let oldest = this.#current?.oldest?.waitsSince ?? Infinity;
    for (const channel of this.#left) {
      oldest = Math.min(oldest, channel.oldest?.waitsSince ?? Infinity);
    }
    return oldest;
  }

  /** Gives up what is under way: see `ConfirmChannel.abandon`. */
  abandon(addedBefore: number): Publication[] {
    const abandoned = [...this.#left].flatMap((channel) => channel.abandon(addedBefore));
    abandoned.push(...this.#current?.abandon(addedBefore) ?? []);
    this.tidy();
    return abandoned;
  }

  /** Closes the current one. There must be nothing under way. */
  async close(): Promise<void> {
    clearTimeout(this.#timer);
    const channel = this.#current;
    this.#current = undefined;
    this.tidy();
    if (channel !== undefined) await closeChannel(channel.channel);
  }
}
