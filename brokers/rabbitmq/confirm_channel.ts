import { Buffer } from "node:buffer";
import type { Channel, Confirmed, Delivered, Model, Wire } from "./client.ts";
import { PublishFrames } from "./frames.ts";
import type { Publication } from "./publication.ts";

/** Number of messages that may be under way; a power of two. */
const WINDOW = 16_384;
/** Number of bytes that are written at once: enough that a write costs nothing beside them. */
const CHUNK = 64 * 1024;

/** Publisher, as a confirm channel sees it. */
export interface ConfirmChannelOwner {
  /** There may be room on it again. */
  roomMade(): void;
  /** The server has a message safe. */
  stored(publication: Publication): void;
  /** The server would not have a message (`basic.nack`). */
  refused(publication: Publication): void;
  /** The server has no queue for a message. */
  returned(publication: Publication): void;
  /** The channel is closed; what was under way may be stored, or not. */
  lost(channel: ConfirmChannel, underWay: Publication[], error: Error): void;
}

/**
 * A channel to publish on, and what is under way on it, by the numbers that the server
 * gives messages in the order in which they come: 1, 2, 3, …
 */
export class ConfirmChannel {
  readonly #owner: ConfirmChannelOwner;
  readonly #channel: Channel;
  readonly #wire: Wire;
  readonly #frames: PublishFrames;
  readonly #isConfirmed: boolean;
  readonly #window: number;
  /** Unconfirmed publications, each at its number modulo the window. */
  readonly #underWay: (Publication | undefined)[];
  #count = 0;
  /** The lowest number that the server has not spoken of. */
  #lowest = 1;
  /** The number of the next message. */
  #next = 1;
  /** First tag to search for the next returned message: it returns them in order. */
  #returnsFrom = 1;
  /** Number of times the server has said that it has something. */
  #confirmations = 0;
  #isCongested = false;
  #isOpen = true;
  /** True if what is under way has the channel to itself. */
  #isAlone = false;
  #reason: Error | undefined;

  /**
   * Publishes on a channel that has just been opened.
   *
   * @param model The connection.
   * @param channel The channel. Nothing else may publish on it.
   * @param isConfirmed Whether the server confirms what comes on it.
   * @param owner Who publishes.
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
    channel.on("ack", (fields) => this.#confirmed(fields, true));
    channel.on("nack", (fields) => this.#confirmed(fields, false));
    channel.on("return", (message) => this.#returned(message));
  }

  /** True if messages are on their way. */
  get isBusy(): boolean {
    return this.#count > 0;
  }

  /** The first of what is under way. */
  get oldest(): Publication | undefined {
    for (let tag = this.#lowest; tag < this.#next; tag++) {
      const publication = this.#underWay[tag & (this.#window - 1)];
      if (publication !== undefined) return publication;
    }
    return undefined;
  }

  /** True if as many are unconfirmed, or were abandoned meanwhile, as the window allows. */
  get isFull(): boolean {
    return this.#next - this.#lowest >= this.#window;
  }

  /** Number of times the server has said that it has something; what it refuses does not count. */
  get confirmations(): number {
    return this.#confirmations;
  }

  /** A number that grows with everything the server confirms. */
  get progress(): number {
    return this.#lowest;
  }

  /** True if another message may be sent now. */
  get hasRoom(): boolean {
    return this.#isOpen && !this.#isCongested && !this.isFull;
  }

  /**
   * Reserves the place for the next message.
   *
   * @param isAlone Whether it needs the channel to itself, as the server may close that because
   *   of it.
   * @returns Whether it may be sent now.
   */
  admit(isAlone: boolean): boolean {
    if (this.#count === 0) {
      this.#isAlone = isAlone;
      return true;
    }
    return !isAlone && !this.#isAlone;
  }

  /**
   * Sends messages, as many as there is room for.
   *
   * @param take Gives the next message, if there is another one to be sent now.
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
   * Gives up what is under way. Its numbers stay taken until the server speaks of them.
   *
   * @param addedBefore Leaves alone what was added later, by `performance.now()`.
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

  #confirmed({ deliveryTag, multiple }: Confirmed, isStored: boolean): void {
    if (isStored) this.#confirmations += 1;
    if (multiple) {
      while (this.#lowest <= deliveryTag) this.#settle(this.#lowest++, isStored);
    } else {
      this.#settle(deliveryTag, isStored);
    }
    // What comes next may have been confirmed before, by itself.
    while (
      this.#lowest < this.#next && this.#underWay[this.#lowest & (this.#window - 1)] === undefined
    ) {
      this.#lowest += 1;
    }
    this.#owner.roomMade();
  }

  #settle(tag: number, isStored: boolean): void {
    const publication = this.#take(tag);
    if (publication === undefined) return; // given up before
    if (publication.isReturned) this.#owner.returned(publication);
    else if (isStored) this.#owner.stored(publication);
    else this.#owner.refused(publication);
  }

  #take(tag: number): Publication | undefined {
    const publication = this.#underWay[tag & (this.#window - 1)];
    if (publication === undefined) return undefined;
    this.#underWay[tag & (this.#window - 1)] = undefined;
    this.#count -= 1;
    return publication;
  }

  /** A return names no number. It comes before the confirmation, and in order. */
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
