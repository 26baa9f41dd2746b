import type { Encoded } from "../../core/encoder.ts";
import { ConnectionClosed, ConnectionFailed } from "../../core/errors.ts";
import { Fifo } from "../../core/fifo.ts";
import { nextTurn } from "../../core/runtime.ts";
import { errorMessage } from "../../core/thrown.ts";
import { closeChannel } from "./client.ts";
import type { RabbitmqConnection } from "./connection.ts";
import { Publication, Receipt } from "./publication.ts";
import { type LineOwner, PublishLine } from "./publish_line.ts";
import type { Topology } from "./topology.ts";
import { closedFor, ConnectionRefused, explain, replyCode } from "./trouble.ts";

/** Milliseconds in which a server may come back before a message is given up. */
const PATIENCE = 5_000;
/** How many attempts to connect there are before that. */
const ATTEMPTS = 5;
/** How often a message is sent that the server refuses, or closes the channel at. */
const MAX_REFUSALS = 3;

/** How a {@linkcode Publisher} works. */
export interface PublisherOptions {
  /** Whether the server is to confirm what it has. */
  readonly isConfirmed: boolean;
  /** Milliseconds without a confirmation after which messages are given up. */
  readonly blockedTimeout: number;
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
 * the order stays.
 */
export class Publisher implements LineOwner {
  readonly #connection: RabbitmqConnection;
  readonly #topology: Topology;
  readonly #options: PublisherOptions;
  readonly #waiting: Fifo<Publication> = new Fifo();
  #line: PublishLine | undefined;
  /** When the line was last lost, by `performance.now()`. */
  #lostAt = 0;
  #isScheduled = false;
  /** Opens a channel, or declares a queue. */
  #preparing: Promise<void> | undefined;
  #watch: ReturnType<typeof setTimeout> | undefined;
  #progress = 0;
  #whenIdle: (() => void)[] = [];
  /** The next message, if its queue is declared. */
  readonly #take = (): Publication | undefined => {
    const next = this.#waiting.first;
    if (next === undefined || !this.#topology.isDeclared(next.queueName)) return undefined;
    return this.#waiting.shift();
  };

  /**
   * Stores where to publish.
   *
   * @param connection The connection.
   * @param topology Declares queues on it.
   * @param options How to work.
   */
  constructor(connection: RabbitmqConnection, topology: Topology, options: PublisherOptions) {
    this.#connection = connection;
    this.#topology = topology;
    this.#options = options;
  }

  /**
   * Sends one message.
   *
   * @param queueName Where to.
   * @param body What it says.
   * @param priority Its priority, if it has one.
   * @param headers Its headers as `fieldTable` writes them, if it has any.
   * @returns Resolves when it is stored.
   * @throws {BrokerConnectionError} If the server cannot be reached, or does not have it.
   */
  publish(
    queueName: string,
    body: Encoded,
    priority?: number,
    headers?: Uint8Array,
  ): Promise<void> {
    const receipt = new Receipt(1);
    this.add(new Publication(queueName, body, receipt, priority, headers));
    return receipt.promise;
  }

  /** Sends a message; its sender hears what becomes of it. */
  add(publication: Publication): void {
    if (this.#line === undefined) publication.waitsSince = performance.now();
    this.#waiting.push(publication);
    this.#schedule();
  }

  /** Resolves when nothing is on its way. */
  async emptied(): Promise<void> {
    while (this.#isBusy) await new Promise<void>((resolve) => this.#whenIdle.push(resolve));
  }

  /** Sends nothing any more. What is on its way fails. */
  async close(): Promise<void> {
    clearTimeout(this.#watch);
    this.#failAll(closedFor("send"));
    const line = this.#line;
    this.#line = undefined;
    if (line !== undefined) await closeChannel(line.channel);
  }

  /** There may be room on the line again. */
  roomMade(): void {
    if (this.#waiting.size > 0) this.#schedule();
    else this.#tellIfIdle();
  }

  /** The server has a message safe. */
  stored(publication: Publication): void {
    publication.sender.stored();
  }

  /** The server would not have a message, or has no queue for it. */
  refused(publication: Publication): void {
    publication.refusals += 1;
    if (publication.isReturned) this.#topology.forget(publication.queueName);
    if (publication.refusals < MAX_REFUSALS) {
      publication.isReturned = false;
      this.#waiting.push(publication);
      return this.#schedule();
    }
    const reason = publication.isReturned ? "there is no such queue" : "RabbitMQ refuses it";
    publication.sender.failed(
      new ConnectionFailed(`Cannot send to queue "${publication.queueName}": ${reason}`),
    );
  }

  /** The channel is closed: what was under way is sent again, in the same order. */
  lost(line: PublishLine, underWay: Publication[], error: Error): void {
    if (this.#line !== line) return;
    this.#line = undefined;
    this.#lostAt = performance.now();
    const isTheirFault = replyCode(error) !== undefined;
    const again = underWay.filter((publication) => {
      publication.isReturned = false;
      if (!isTheirFault || ++publication.refusals < MAX_REFUSALS) return true;
      publication.sender.failed(explain(`send to queue "${publication.queueName}"`, error));
      return false;
    });
    this.#waiting.unshift(again);
    if (this.#waiting.size > 0) this.#schedule();
    else this.#tellIfIdle();
  }

  get #isBusy(): boolean {
    return this.#waiting.size > 0 || this.#line?.isBusy === true;
  }

  #schedule(): void {
    if (this.#isScheduled) return;
    this.#isScheduled = true;
    nextTurn().then(() => {
      this.#isScheduled = false;
      this.#pump();
    });
  }

  #pump(): void {
    if (this.#preparing !== undefined) return; // it pumps in the end
    this.#line?.send(this.#take);
    const next = this.#waiting.first;
    if (next === undefined) {
      if (this.#line?.isBusy) this.#watchProgress();
      return this.#tellIfIdle();
    }
    this.#watchProgress();
    if (this.#line?.hasRoom === false) return;
    this.#preparing = this.#prepare(next).finally(() => {
      this.#preparing = undefined;
      this.#schedule();
    });
  }

  /** Opens a channel, or declares the queue of the next message. Failures end with the senders. */
  async #prepare(next: Publication): Promise<void> {
    for (let attempts = 1;; attempts++) {
      try {
        if (this.#line === undefined) await this.#open();
        return await this.#topology.declare(next.queueName);
      } catch (error) {
        const isAway = error instanceof ConnectionFailed || !this.#connection.isUp;
        if (this.#connection.isClosed || error instanceof ConnectionRefused) {
          return this.#failAll(error as Error);
        }
        if (!isAway && this.#line !== undefined) {
          return this.#failWaiting((one) => one.queueName === next.queueName, error as Error);
        }
        if (error instanceof TypeError) return this.#failAll(error);
        const soonest = performance.now() - PATIENCE;
        if (attempts >= ATTEMPTS && this.#lostAt <= soonest) {
          this.#failWaiting((one) => one.waitsSince <= soonest, error as Error);
        }
        if (this.#waiting.size === 0) return;
      }
    }
  }

  async #open(): Promise<void> {
    const { isConfirmed } = this.#options;
    const model = await this.#connection.whenUp();
    try {
      const channel = await (isConfirmed ? model.createConfirmChannel() : model.createChannel());
      this.#line = new PublishLine(model, channel, isConfirmed, this);
    } catch (error) {
      throw new ConnectionFailed(`Cannot open a channel: ${errorMessage(error)}`, { cause: error });
    }
  }

  /** Gives messages up. */
  #failWaiting(isLost: (publication: Publication) => boolean, error: Error): void {
    const kept: Publication[] = [];
    for (let one = this.#waiting.shift(); one !== undefined; one = this.#waiting.shift()) {
      if (isLost(one)) one.sender.failed(error);
      else kept.push(one);
    }
    for (const one of kept) this.#waiting.push(one);
    this.#tellIfIdle();
  }

  #failAll(error: Error): void {
    for (const one of this.#line?.abandon() ?? []) one.sender.failed(error);
    this.#failWaiting(() => true, error);
  }

  /** A server that confirms nothing at all is not waited for any longer. */
  #watchProgress(): void {
    if (this.#watch !== undefined || this.#line === undefined) return;
    this.#progress = this.#line.progress;
    const { blockedTimeout } = this.#options;
    this.#watch = setTimeout(() => {
      this.#watch = undefined;
      if (!this.#isBusy || this.#line === undefined) return;
      if (this.#line.progress === this.#progress) this.#failAll(this.#silence(blockedTimeout));
      else this.#watchProgress();
    }, blockedTimeout);
  }

  #silence(ms: number): ConnectionClosed {
    const reason = this.#connection.block?.reason;
    return new ConnectionClosed(
      reason === undefined
        ? `Cannot send: RabbitMQ confirmed nothing for ${ms} ms`
        : `Cannot send: RabbitMQ has blocked all who publish for ${ms} ms: ${reason}`,
    );
  }

  #tellIfIdle(): void {
    if (this.#isBusy || this.#whenIdle.length === 0) return;
    const waiting = this.#whenIdle;
    this.#whenIdle = [];
    for (const tell of waiting) tell();
  }
}
