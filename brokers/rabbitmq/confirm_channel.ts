import { Buffer } from "node:buffer";
import type { Channel, Confirmed, Delivered, Model, Wire } from "./client.ts";
import { PublishFrames } from "./frames.ts";
import type { Publication } from "./publication.ts";

/** Maximum of unconfirmed messages; a power of two. */
const WINDOW = 16_384;
/** Bytes of one write: enough to make the cost of the write itself negligible. */
const CHUNK = 64 * 1024;

/** The publisher of a {@linkcode ConfirmChannel}. */
export interface ConfirmChannelOwner {
  /** Called when the channel may have room again. */
  roomMade(): void;
  /** Called when the server has confirmed a message. */
  stored(publication: Publication): void;
  /** Called when the server has refused a message (`basic.nack`). */
  refused(publication: Publication): void;
  /** Called when the server has returned a message: there is no such queue. */
  returned(publication: Publication): void;
  /** Called when the channel is closed. Its unconfirmed messages may have been stored. */
  lost(channel: ConfirmChannel, underWay: Publication[], error: Error): void;
}

/**
 * A channel to publish on, with its unconfirmed messages by delivery tag. The server numbers the
 * messages of a channel in their order: 1, 2, 3, …
 */
export class ConfirmChannel {
  readonly #owner: ConfirmChannelOwner;
  readonly #channel: Channel;
  readonly #wire: Wire;
  readonly #frames: PublishFrames;
  readonly #isConfirmed: boolean;
  readonly #window: number;
  /** Unconfirmed publications, each at its tag modulo the window. */
  readonly #underWay: (Publication | undefined)[];
  #count = 0;
  /** The lowest unconfirmed tag. */
  #lowest = 1;
  /** The tag of the next message. */
  #next = 1;
  /** First tag to search for the next returned message: they are returned in order. */
  #returnsFrom = 1;
  /** Number of `basic.ack` received. */
  #confirmations = 0;
  #isCongested = false;
  #isOpen = true;
  /** True if the unconfirmed message must be the only one on the channel. */
  #isAlone = false;
  #reason: Error | undefined;

  /**
   * Wraps a channel that has just been opened.
   *
   * @param model The connection.
   * @param channel The channel. Nothing else may publish on it.
   * @param isConfirmed True if the server confirms messages on it.
   * @param owner The publisher.
   * @param window Maximum of unconfirmed messages; a power of two.
   */
  constructor(
    model: Model,
    channel: Channel,
    isConfirmed: boolean,
    owner: ConfirmChannelOwner,
    window: number = WINDOW,
  ) {
    this.#owner = owner;
    this.#window = window;
    this.#underWay = new Array(window).fill(undefined);
    this.#channel = channel;
    this.#isConfirmed = isConfirmed;
    const { stream, frameMax } = model.connection;
    this.#wire = stream;
    this.#frames = new PublishFrames(
      (channel as unknown as { ch: number }).ch,
      frameMax,
      isConfirmed,
    );
    channel.on("error", (error) => this.#reason = error);
    channel.on("close", () => this.#closed());
    stream.on("drain", this.#drained);
    if (!isConfirmed) return;
    channel.on("ack", (fields) => this.#confirmed(fields, "stored"));
    channel.on("nack", (fields) => this.#confirmed(fields, "refused"));
    channel.on("return", (message) => this.#returned(message));
  }

  /** True if messages are unconfirmed. */
  get isBusy(): boolean {
    return this.#count > 0;
  }

  /** The oldest unconfirmed message. */
  get oldest(): Publication | undefined {
    for (let tag = this.#lowest; tag < this.#next; tag++) {
      const publication = this.#underWay[tag & (this.#window - 1)];
      if (publication !== undefined) return publication;
    }
    return undefined;
  }

  /** True if the window is used up, by unconfirmed messages and by abandoned ones behind them. */
  get isFull(): boolean {
    return this.#next - this.#lowest >= this.#window;
  }

  /** Number of `basic.ack` received, without refusals. */
  get confirmations(): number {
    return this.#confirmations;
  }

  /** A number that grows with each confirmation of the oldest message. */
  get progress(): number {
    return this.#lowest;
  }

  /** True if another message may be sent now. */
  get hasRoom(): boolean {
    return this.#isOpen && !this.#isCongested && !this.isFull;
  }

  /**
   * Admits the next message, unless it or an unconfirmed one must be alone.
   *
   * @param isAlone True if no other may be unconfirmed beside it, since the server may close the channel
   *   because of it.
   * @returns True if it may be sent now.
   */
  admit(isAlone: boolean): boolean {
    if (this.#count === 0) {
      this.#isAlone = isAlone;
      return true;
    }
    return !isAlone && !this.#isAlone;
  }

  /**
   * Sends messages, as long as there is room.
   *
   * @param take Returns the next message, if another one may be sent now.
   */
  send(take: () => Publication | undefined): void {
    while (this.hasRoom) {
      const batch: Publication[] = [];
      let size = 0;
      while (size < CHUNK && !this.isFull) {
        const publication = take();
        if (publication === undefined) break;
        size += this.#frames.size(publication);
        publication.isWritten = true;
        batch.push(publication);
        if (this.#isConfirmed) {
          this.#underWay[this.#next & (this.#window - 1)] = publication;
          this.#count += 1;
        }
        this.#next += 1;
      }
      if (batch.length === 0) return;
      this.#write(batch, size);
    }
  }

  /**
   * Gives up unconfirmed messages. Their tags stay in use until the server confirms them.
   *
   * @param addedBefore Only those that were added by then, by `performance.now()`.
   * @returns The messages.
   */
  abandon(addedBefore = Infinity): Publication[] {
    const underWay: Publication[] = [];
    for (let tag = this.#lowest; tag < this.#next; tag++) {
      const publication = this.#underWay[tag & (this.#window - 1)];
      if (publication === undefined || publication.waitsSince > addedBefore) continue;
      this.#take(tag);
      underWay.push(publication);
    }
    return underWay;
  }

  #write(batch: readonly Publication[], size: number): void {
    const chunk = Buffer.allocUnsafe(size);
    let at = 0;
    for (const publication of batch) at = this.#frames.write(chunk, at, publication);
    this.#isCongested = !this.#wire.write(chunk);
    if (this.#isConfirmed) return;
    this.#lowest = this.#next;
    for (const publication of batch) this.#owner.stored(publication);
  }

  #confirmed({ deliveryTag, multiple }: Confirmed, outcome: "stored" | "refused"): void {
    if (outcome === "stored") this.#confirmations += 1;
    if (multiple) {
      while (this.#lowest <= deliveryTag) this.#settle(this.#lowest++, outcome);
    } else {
      this.#settle(deliveryTag, outcome);
    }
    // The next ones may have been confirmed out of order before.
    while (
      this.#lowest < this.#next && this.#underWay[this.#lowest & (this.#window - 1)] === undefined
    ) {
      this.#lowest += 1;
    }
    this.#owner.roomMade();
  }

  #settle(tag: number, outcome: "stored" | "refused"): void {
    const publication = this.#take(tag);
    if (publication === undefined) return; // abandoned before
    if (publication.isReturned) this.#owner.returned(publication);
    else if (outcome === "stored") this.#owner.stored(publication);
    else this.#owner.refused(publication);
  }

  #take(tag: number): Publication | undefined {
    const publication = this.#underWay[tag & (this.#window - 1)];
    if (publication === undefined) return undefined;
    this.#underWay[tag & (this.#window - 1)] = undefined;
    this.#count -= 1;
    return publication;
  }

  /** Marks a returned message. A return has no tag; it comes before the confirmation, and in order. */
  #returned({ fields: { routingKey }, content }: Delivered): void {
    for (let tag = Math.max(this.#returnsFrom, this.#lowest); tag < this.#next; tag++) {
      const publication = this.#underWay[tag & (this.#window - 1)];
      if (publication?.queueName !== routingKey || publication.length !== content.length) continue;
      if (!Buffer.from(publication.body as string).equals(content)) continue;
      publication.isReturned = true;
      this.#returnsFrom = tag + 1;
      return;
    }
  }

  readonly #drained = (): void => {
    if (!this.#isCongested) return;
    this.#isCongested = false;
    this.#owner.roomMade();
  };

  #closed(): void {
    this.#isOpen = false;
    (this.#wire as unknown as { off(event: string, listener: () => void): void })
      .off("drain", this.#drained);
    const error = this.#reason ?? new Error("the connection was closed");
    this.#owner.lost(this, this.abandon(), error);
  }

  /** The channel, to close it. */
  get channel(): Channel {
    return this.#channel;
  }
}
