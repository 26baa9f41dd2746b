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

/** Milliseconds of an outage after which a message fails. */
const RETRY_TIMEOUT = 5_000;
/**
 * Minimum of attempts to connect before that. One may fail only because the process was suspended or
 * busy meanwhile; more would wait for a silent server for longer than for one that refuses.
 */
const ATTEMPTS = 2;

/** Options of a {@linkcode Publisher}. */
export interface PublisherOptions {
  /** True to have the server confirm messages. */
  readonly isConfirmed: boolean;
  /** Milliseconds without a confirmation after which a message fails. */
  readonly blockedTimeout: number;
  /** Maximum of unconfirmed messages on a channel; a power of two. @default {16_384} */
  readonly window?: number;
  /** Called when a message is stored. */
  onStored?(queueName: string): void;
  /** Called when a queue blocks messages to others. */
  onStalled?(queueName: string): void;
  /** Takes over a message that must be sent elsewhere. @returns True if it does. */
  divert?(publication: Publication): boolean;
}

/**
 * Publishes messages to queues, in order: all messages of one turn of the event loop are written
 * together, thousands may be unconfirmed, and the server confirms many at once.
 *
 * waiting ─▶ unconfirmed ─▶ stored
 *    ▲           │
 *    └───────────┴─ (connection lost, queue gone, refused) again, for a while ─▶ failed
 *
 * A queue that is not declared is declared first, while later messages wait, to keep the order. While
 * the server blocks the connection, nothing is written. Refused messages are sent again on another
 * channel: see {@linkcode Refusals}.
 *
 * A message larger than any that the server has stored is sent alone. So is each message that was
 * unconfirmed when the server closed the channel for an unknown reason, to find out which one it rejects.
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
  /** Length of the largest message that the server has stored. */
  #provenLength = UNPROVEN_LENGTH;
  /** The pending `#prepare`, which opens a channel or declares a queue. */
  #preparing: Promise<void> | undefined;
  readonly #timeout: PublishTimeout;
  readonly #idle: Notifier = new Notifier();
  /** Takes the next message, if its queue is declared and it may be sent beside unconfirmed ones. */
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

  /** Sends a message; its sender receives the outcome. */
  add(publication: Publication): void {
    this.#waiting.push(publication);
    this.#schedule();
    publication.waitsSince = this.#turnAt;
  }

  /** Resolves when no messages wait or are unconfirmed. */
  async emptied(): Promise<void> {
    while (this.isBusy) await this.#idle.next();
  }

  /** Closes the channels. Messages that wait or are unconfirmed fail. */
  async close(): Promise<void> {
    this.#timeout.stop();
    this.#refusals.stop();
    this.#failAll(closedFor("send"));
    await this.#channels.close();
  }

  /** Called when a channel may have room again. */
  roomMade(): void {
    this.#channels.tidy();
    if (this.#waiting.size > 0) this.#schedule();
    else this.#idle.notify();
  }

  /** Called when the server has confirmed a message. */
  stored(publication: Publication): void {
    if (publication.length > this.#provenLength) this.#provenLength = publication.length;
    if (this.#refusals.goOn) this.#refusals.stored(publication);
    publication.sender.stored();
    this.#options.onStored?.(publication.queueName);
  }

  /** Called when a channel was left because a queue blocked it. */
  stalled(queueName: string): void {
    this.#options.onStalled?.(queueName);
    this.#waiting.unshift(this.#kept(this.#waiting.takeWhere(() => true)));
  }

  /** Called when the server has refused a message. */
  refused(publication: Publication): void {
    const duration = this.#refusals.add(publication);
    if (duration === undefined) return;
    fail(publication, `RabbitMQ has refused it for ${duration} ms (basic.nack)`);
  }

  /** Called when the server has returned a message: there is no such queue. */
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

  /** Called when a channel is closed: its unconfirmed messages are sent again, in the same order. */
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

  /** Messages that are still to be sent here, after others were diverted. */
  #kept(publications: Publication[]): Publication[] {
    return publications.filter((one) => this.#options.divert?.(one) !== true);
  }

  /** The first waiting message. Fails those before it that no longer need to be sent. */
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

  /** True if messages wait or are unconfirmed. */
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

  /** A number that changes with each confirmation. */
  get progress(): number | undefined {
    return this.#channels.progress;
  }

  /** When the oldest message was added, by `performance.now()`. */
  get oldest(): number {
    const waitsSince = this.#waiting.first?.waitsSince ?? Infinity;
    return Math.min(waitsSince, this.#channels.oldest, this.#refusals.oldest);
  }

  /** Fails messages that were added by then: the server has confirmed nothing for too long. */
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
    // The end of `#prepare`, or of a block, schedules this again.
    if (this.#preparing !== undefined || this.#connection.block !== undefined) return;
    const channel = this.#channels.current;
    channel?.send(this.#take);
    const next = this.#next;
    if (next === undefined) return this.#idle.notify();
    // There is no room for it yet, or it must be alone, and waits for unconfirmed ones.
    if (channel && (!channel.hasRoom || this.#topology.isDeclared(next.queueName))) return;
    this.#preparing = this.#prepare(next).finally(() => {
      this.#preparing = undefined;
      this.#schedule();
    });
  }

  /** Opens a channel, or declares the queue of the next message. Errors go to the senders. */
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
        // Some errors come at once, such as one for too many channels: a pause avoids a busy loop.
        if (this.#connection.isUp) {
          await new Promise((resolve) => setTimeout(resolve, retryDelay(attempts)));
        }
      }
    }
  }

  /** Fails waiting messages. */
  #failWaiting(isLost: (publication: Publication) => boolean, error: Error): void {
    const errorOf = byDelivery(error);
    for (const one of this.#waiting.takeWhere(isLost)) one.sender.failed(errorOf(one));
    this.#idle.notify();
  }

  /** Fails messages that were added by then, waiting and unconfirmed ones. */
  #failAll(error: Error, addedBefore = Infinity): void {
    const errorOf = byDelivery(error);
    const refused = this.#refusals.take(addedBefore);
    for (const one of [...this.#channels.abandon(addedBefore), ...refused]) {
      one.sender.failed(errorOf(one));
    }
    this.#failWaiting(({ waitsSince }) => waitsSince <= addedBefore, error);
  }
}
