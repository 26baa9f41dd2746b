import { closedFor } from "../../core/delivery_state.ts";
import { ConnectionClosed, ConnectionFailed } from "../../core/errors.ts";
import { Fifo } from "../../platform/fifo.ts";
import { retryDelay } from "../../platform/retry_delay.ts";
import { nextTurn } from "../../platform/runtime.ts";
import { Notifier } from "../../platform/notifier.ts";
import { MAX_REFUSALS, toSendAgain } from "./closed_channel.ts";
import type { RabbitmqConnection } from "./connection.ts";
import { byDelivery, fail, type Publication, UNPROVEN_LENGTH } from "./publication.ts";
import type { ConfirmChannel, ConfirmChannelOwner } from "./confirm_channel.ts";
import { ConfirmChannels, type ConfirmChannelsOwner } from "./confirm_channels.ts";
import { PublishTimeout, type TimedPublisher } from "./publish_timeout.ts";
import { Refusals } from "./refusals.ts";
import type { Topology } from "./topology.ts";
import { ConnectionRefused, replyCode, silentFor } from "./errors.ts";

/** Milliseconds in which a server may come back before a message is given up. */
const RETRY_TIMEOUT = 5_000;
/** Number of attempts to connect before that. */
const ATTEMPTS = 5;
/** Options of a {@linkcode Publisher}. */
export interface PublisherOptions {
  /** True if the server is to confirm what it has. */
  readonly isConfirmed: boolean;
  /** Milliseconds without a confirmation after which a message is given up. */
  readonly blockedTimeout: number;
  /** Maximum of unconfirmed messages on a channel; a power of two. @default {16_384} */
  readonly window?: number;
  /** A message is stored. */
  onStored?(queueName: string): void;
  /** A queue holds up messages to others. */
  onStalled?(queueName: string): void;
  /** Takes a message over if it is not to be sent here any more. */
  divert?(publication: Publication): boolean;
}

/**
 * Sends messages to queues, in order, thousands at once: what is added in one turn of the
 * event loop is written together, and the server confirms many with one word.
 *
 * waiting ─▶ under way ─▶ stored
 *    ▲           │
 *    └───────────┴─ (connection lost, queue gone, refused) again, for a while ─▶ failed
 *
 * A queue that is not declared is declared first; meanwhile what comes after waits, so that
 * the order stays. While the server blocks the connection nothing is written. What the server
 * refuses is sent again on another channel: see {@linkcode Refusals}.
 *
 * A message larger than any that the server has stored is sent alone, and so is each of those
 * that were under way when the server closed the channel for an unknown reason: then it is known
 * which message it rejects.
 */
export class Publisher implements ConfirmChannelOwner, ConfirmChannelsOwner, TimedPublisher {
  readonly #connection: RabbitmqConnection;
  readonly #topology: Topology;
  readonly #options: PublisherOptions;
  readonly #waiting: Fifo<Publication> = new Fifo();
  readonly #channels: ConfirmChannels = new ConfirmChannels(this);
  readonly #refusals: Refusals = new Refusals((refused) => {
    this.#channels.leave();
    this.#sendAgain(refused);
  });
  /** When a channel was last lost, by `performance.now()`. */
  #lostAt = -Infinity;
  #isScheduled = false;
  /** When the present turn was scheduled, by `performance.now()`. */
  #turnAt = 0;
  /** The most bytes of a message that the server is known to store. */
  #provenLength = UNPROVEN_LENGTH;
  /** Opens a channel, or declares a queue. */
  #preparing: Promise<void> | undefined;
  readonly #timeout: PublishTimeout;
  readonly #idle: Notifier = new Notifier();
  /** The next message, if its queue is declared and it may be sent beside what is under way. */
  readonly #take = (): Publication | undefined => {
    const next = this.#next;
    if (next === undefined || !this.#topology.isDeclared(next.queueName)) return undefined;
    const isAlone = next.isSuspect || next.length > this.#provenLength;
    return this.#channels.current!.admit(isAlone) ? this.#waiting.shift() : undefined;
  };

  constructor(connection: RabbitmqConnection, topology: Topology, options: PublisherOptions) {
    this.#connection = connection;
    this.#topology = topology;
    this.#options = options;
    this.#timeout = new PublishTimeout(this, options.blockedTimeout);
    connection.onUnblocked(() => this.roomMade());
  }

  /** Sends a message; its sender hears what becomes of it. */
  add(publication: Publication): void {
    this.#waiting.push(publication);
    this.#schedule();
    publication.waitsSince = this.#turnAt;
  }

  /** Resolves when nothing is on its way. */
  async emptied(): Promise<void> {
    while (this.isBusy) await this.#idle.next();
  }

  /** Sends nothing any more. What is on its way fails. */
  async close(): Promise<void> {
    this.#timeout.stop();
    this.#refusals.stop();
    this.#failAll(closedFor("send"));
    await this.#channels.close();
  }

  /** The channel may have room again. */
  roomMade(): void {
    this.#channels.tidy();
    if (this.#waiting.size > 0) this.#schedule();
    else this.#idle.notify();
  }

  /** The server has a message safe. */
  stored(publication: Publication): void {
    if (publication.length > this.#provenLength) this.#provenLength = publication.length;
    if (this.#refusals.goOn) this.#refusals.stored(publication);
    publication.sender.stored();
    this.#options.onStored?.(publication.queueName);
  }

  /** A queue held up the channel that was left just now. */
  stalled(queueName: string): void {
    this.#options.onStalled?.(queueName);
    this.#waiting.unshift(this.#kept(this.#waiting.takeWhere(() => true)));
  }

  /** The server would not have a message. */
  refused(publication: Publication): void {
    const duration = this.#refusals.add(publication);
    if (duration === undefined) return;
    fail(publication, `RabbitMQ has refused it for ${duration} ms (basic.nack)`);
  }

  /** The server has no queue for a message. */
  returned(publication: Publication): void {
    publication.isWritten = false;
    publication.isReturned = false;
    this.#topology.forget(publication.queueName);
    if (++publication.refusals >= MAX_REFUSALS) {
      return fail(publication, "there is no such queue");
    }
    this.#waiting.push(publication);
    this.#schedule();
  }

  /** The channel is closed: what was under way is sent again, in the same order. */
  lost(channel: ConfirmChannel, underWay: Publication[], error: Error): void {
    if (!this.#channels.remove(channel)) return;
    this.#lostAt = performance.now();
    for (const publication of underWay) publication.isReturned = false;
    const isByServer = replyCode(error) !== undefined;
    if (!isByServer) this.#provenLength = UNPROVEN_LENGTH; // the next server may be another one
    this.#sendAgain(isByServer ? toSendAgain(underWay, error) : underWay);
  }

  /** Sends messages before all others. */
  #sendAgain(publications: Publication[]): void {
    this.#waiting.unshift(this.#kept(publications));
    this.roomMade();
  }

  /** Cancellations that are still to be sent here. */
  #kept(publications: Publication[]): Publication[] {
    return publications.filter((one) => this.#options.divert?.(one) !== true);
  }

  /** The first that waits, past those that are no longer to be sent. */
  get #next(): Publication | undefined {
    let next = this.#waiting.first;
    while (next?.sender.isNeeded?.() === false) {
      this.#waiting.shift();
      const text = `Cannot send to queue "${next.queueName}": its delivery was lost meanwhile`;
      next.sender.failed(byDelivery(new ConnectionClosed(text))(next));
      next = this.#waiting.first;
    }
    return next;
  }

  /** True if messages wait or are under way. */
  get isBusy(): boolean {
    return this.#waiting.size > 0 || this.#channels.isBusy || this.#refusals.size > 0;
  }

  /** True if the connection is up. */
  get isUp(): boolean {
    return this.#connection.isUp;
  }

  /** True if the connection is up, and the server does not block it. */
  get isReading(): boolean {
    return this.#connection.isUp && this.#connection.block === undefined;
  }

  /** A number that changes with everything the server confirms. */
  get progress(): number | undefined {
    return this.#channels.progress;
  }

  /** When the first message was added, by `performance.now()`. */
  get oldest(): number {
    const waitsSince = this.#waiting.first?.waitsSince ?? Infinity;
    return Math.min(waitsSince, this.#channels.oldest, this.#refusals.oldest);
  }

  /** Gives up what was added by then: the server has confirmed nothing for too long. */
  giveUp(addedBefore: number): void {
    const { blockedTimeout } = this.#options;
    this.#failAll(silentFor(blockedTimeout, this.#connection.block?.reason), addedBefore);
    this.roomMade(); // for what was added later
  }

  #schedule(): void {
    if (this.#isScheduled) return;
    this.#isScheduled = true;
    this.#turnAt = performance.now();
    nextTurn().then(() => {
      this.#isScheduled = false;
      this.#pump();
    });
  }

  #pump(): void {
    if (this.isBusy) {
      this.#timeout.start();
      this.#channels.watch();
    }
    // What prepares pumps in the end, and so does the end of a block.
    if (this.#preparing !== undefined || this.#connection.block !== undefined) return;
    const channel = this.#channels.current;
    channel?.send(this.#take);
    const next = this.#next;
    if (next === undefined) return this.#idle.notify();
    // There is no room for it yet, or it waits for those under way.
    if (channel && (!channel.hasRoom || this.#topology.isDeclared(next.queueName))) return;
    this.#preparing = this.#prepare(next).finally(() => {
      this.#preparing = undefined;
      this.#schedule();
    });
  }

  /** Opens a channel, or declares the queue of the next message. Failures end with the senders. */
  async #prepare(next: Publication): Promise<void> {
    for (let attempts = 1;; attempts++) {
      try {
        if (this.#channels.current === undefined) {
          await this.#channels.open(
            this.#connection,
            this.#options.isConfirmed,
            this,
            this.#options.window,
          );
          this.#timeout.heard();
        }
        await this.#topology.declare(next.queueName);
        this.#timeout.heard();
        return;
      } catch (error) {
        const isUnavailable = error instanceof ConnectionFailed || !this.#connection.isUp;
        if (this.#connection.isClosed || error instanceof ConnectionRefused) {
          return this.#failAll(error as Error);
        }
        if (!isUnavailable && this.#channels.current !== undefined) {
          return this.#failWaiting((one) => one.queueName === next.queueName, error as Error);
        }
        if (error instanceof TypeError) return this.#failAll(error);
        const soonest = performance.now() - RETRY_TIMEOUT;
        if (attempts >= ATTEMPTS && this.#lostAt <= soonest) {
          this.#failWaiting((one) => one.waitsSince <= soonest, error as Error);
        }
        if (this.#waiting.size === 0) return;
        // Nothing was waited for if there is no channel left, for example: the others need turns.
        if (this.#connection.isUp) {
          await new Promise((resolve) => setTimeout(resolve, retryDelay(attempts)));
        }
      }
    }
  }

  /** Gives messages up. */
  #failWaiting(isLost: (publication: Publication) => boolean, error: Error): void {
    const errorOf = byDelivery(error);
    for (const one of this.#waiting.takeWhere(isLost)) one.sender.failed(errorOf(one));
    this.#idle.notify();
  }

  /** Gives up what was added by then, whether it waits or is under way. */
  #failAll(error: Error, addedBefore = Infinity): void {
    const errorOf = byDelivery(error);
    const refused = this.#refusals.take(addedBefore);
    for (const one of [...this.#channels.abandon(addedBefore), ...refused]) {
      one.sender.failed(errorOf(one));
    }
    this.#failWaiting(({ waitsSince }) => waitsSince <= addedBefore, error);
  }
}
