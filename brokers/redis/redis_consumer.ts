import { AbortListener } from "../../platform/abort_listener.ts";
import { Consumer, type OneOrMany, type ReceiveOptions, toList } from "../../core/consumer.ts";
import type { Encoded } from "../../encoders/encoder.ts";
import type { MessageProxy } from "../../core/message_proxy.ts";
import { getLogger } from "../../platform/logging.ts";
import { errorMessage } from "../../platform/thrown.ts";
import { retryDelay } from "../../platform/retry_delay.ts";
import { nextTurn } from "../../platform/runtime.ts";
import { Notifier } from "../../platform/notifier.ts";
import { storeDeadLetter } from "../../core/store_dead_letter.ts";
import { Acknowledgements } from "./acknowledgements.ts";
import { consumedQueue } from "./consumed_queue.ts";
import type { RedisDelivery } from "./delivery.ts";
import { InFlight } from "./in_flight.ts";
import type { QueueKeys } from "./keys.ts";
import { tellLoss } from "./lease.ts";
import { Batcher } from "../../clients/redis/batcher.ts";
import { type RedisReply, toArgument } from "../../clients/redis/reply.ts";
import type { Script } from "../../clients/redis/script.ts";
import { ACK, MAX_BATCH, NACK, REQUEUE } from "./scripts.ts";
import {
  type QueueHeartbeat,
  type QueueMember,
  type RedisSession,
  runAtMostOnce,
  runUntil,
  type ServedQueue,
} from "./session.ts";
import { isSuspect, Suspects } from "./suspects.ts";
import { isUnavailable } from "../../clients/redis/errors.ts";

const log = /* @__PURE__ */ getLogger("redis", "consumer");

/** Number of messages that make two batches that are worth it. */
const SMALL_PREFETCH = 64;

/**
 * Takes messages off a queue of Redis, as many at once as there is room for.
 *
 * Outages do not end it: it goes on when the server is back, and what is to be settled
 * meanwhile waits. It fails when its lease is lost, or the server says no.
 *
 * filling ─▶ (nothing there) waiting ─▶ woken by the server, a heartbeat or a timer ─▶ filling
 */
export abstract class RedisConsumer extends Consumer implements QueueMember {
  protected readonly session: RedisSession;
  protected readonly keys: QueueKeys;
  readonly #prefetch: number;
  /** Deliveries that are fetched and not acknowledged. */
  readonly inFlight: InFlight = new InFlight();
  /** Fetched, and not yet handed out. */
  #ready: RedisDelivery[] = [];
  /** Tells `receive` to look again. */
  readonly #changed: Notifier = new Notifier();
  #filling: Promise<void> | undefined;
  #isWaiting = false;
  #isTurnEnding = false;
  #isPaused = false;
  /** True if who receives takes all there is room for. */
  #takesAll = false;
  #failures = 0;
  #retryTimer: ReturnType<typeof setTimeout> | undefined;
  #error: unknown;
  #closing: Promise<void> | undefined;
  /** Messages of this consumer that a dead worker had in flight. */
  protected readonly suspects: Suspects;
  readonly #acks: Acknowledgements;
  readonly #nacks: Batcher;
  /** Its queue, and the other consumers of that. */
  readonly #queue: ServedQueue;
  readonly #wake = (): void => this.#changed.notify();
  readonly #abort: AbortListener = new AbortListener(this.#wake);

  /**
   * Stores what it takes from; the first `receive` connects.
   *
   * @param queueName The queue or delay queue.
   * @param prefetch How many messages may be received and not yet settled.
   * @param session The broker.
   */
  constructor(queueName: string, prefetch: number, session: RedisSession) {
    super(queueName);
    this.session = session;
    this.#prefetch = prefetch;
    this.keys = session.keys.of(queueName);
    const { messages, unacknowledged, etas, deadLetters, deadMessages } = this.keys;
    this.#acks = new Acknowledgements((ids) => this.persist(ACK, [messages, unacknowledged], ids));
    const buried = [messages, unacknowledged, etas, deadLetters, deadMessages];
    this.#nacks = new Batcher((args) => this.persist(NACK, buried, args));
    this.suspects = new Suspects(session, this.keys, (...call) => this.persist(...call));
    this.#queue = consumedQueue(session, queueName);
  }

  /** Gets messages from the server: all it can get at once, up to `limit`. */
  protected abstract fill(limit: number): Promise<RedisDelivery[]>;

  /** Has `wakeUp` called when there may be something to get, or soon. */
  protected abstract expectMore(): void;

  /** Ends the subscription to new messages. */
  protected abstract expectNothing(): void;

  /** Looks whether a heartbeat tells of something to get. */
  protected abstract hasMore(heartbeat: QueueHeartbeat): boolean;

  /** True if it is closed, or about to be. */
  protected get isClosed(): boolean {
    return this.#closing !== undefined;
  }

  /** True if its messages may have been delivered to another consumer since. */
  override get isLost(): boolean {
    return this.#error !== undefined || this.session.lease.isLost;
  }

  /** Ends the wait for messages: there may be some. */
  readonly wakeUp = (): void => {
    this.#isWaiting = false;
    this.#wake();
  };

  async receive(limit: number, { signal }: ReceiveOptions = {}): Promise<MessageProxy[]> {
    this.#abort.follow(signal);
    this.#isPaused = false;
    // What becomes free while it waits is not known to who receives.
    this.#takesAll = limit >= this.#prefetch - this.inFlight.unsettled;
    while (!this.isClosed && !signal?.aborted) {
      const { lease, queues } = this.session;
      if (lease.isLost) tellLoss(lease, queues.values());
      if (this.#error !== undefined) throw this.#error;
      if (this.#ready.length > 0) return this.#ready.splice(0, limit);
      const free = this.#prefetch - this.inFlight.unsettled;
      const room = Math.min(limit, free, MAX_BATCH);
      if (room > 0 && !this.#isWaiting && this.#filling === undefined) this.#fillSoon(room);
      await this.#changed.next();
    }
    return [];
  }

  async ack(messages: OneOrMany): Promise<void> {
    const taken = this.#take(messages);
    if (taken.length === 0) return;
    const acknowledged = this.acknowledge(taken);
    this.roomMade();
    await this.inFlight.settle(taken, acknowledged);
  }

  async nack(messages: OneOrMany): Promise<void> {
    const taken = this.#take(messages);
    const sent = taken.map((message) =>
      storeDeadLetter(message, message.delivered, (deadLetter) => {
        // An empty text leaves the message as it is.
        const text = deadLetter === message.delivered ? "" : toArgument(deadLetter.encode());
        if (isSuspect(message)) return this.suspects.nack(message, text);
        return this.#nacks.gather([message.id, text]);
      })
    );
    await this.inFlight.settle(taken, Promise.all(sent).then(() => {}));
  }

  async requeue(messages: OneOrMany): Promise<void> {
    const taken = this.#take(messages);
    await this.inFlight.settle(taken, this.giveBack(taken));
  }

  override async pause(): Promise<void> {
    this.#isPaused = true;
    // What is on its way comes first.
    while (this.#isPaused && (this.#filling !== undefined || this.fetchesAhead.length > 0)) {
      await (this.#filling ??= this.#fill(1));
    }
    if (this.#isPaused) await this.requeue(this.#ready.splice(0));
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  /** Hears what a heartbeat found out. */
  heartbeat(heartbeat: QueueHeartbeat): void {
    if (this.#isWaiting && this.hasMore(heartbeat)) this.wakeUp();
  }

  /** Pending fetches: they may bring messages that no consumer holds yet. */
  fetches(): unknown[] {
    return this.#filling === undefined
      ? [...this.fetchesAhead]
      : [this.#filling, ...this.fetchesAhead];
  }

  /** Fails it: what it gave is no longer its own. */
  fail(error: unknown): void {
    this.#error ??= error;
    this.#wake();
  }

  /** Cleans up once all messages were given back. */
  protected closed(): Promise<void> {
    return Promise.resolve();
  }

  /** Acknowledgements that fetches take along. */
  protected get acks(): Acknowledgements {
    return this.#acks;
  }

  /** Called when messages were acknowledged: a fetch can take that along. */
  protected roomMade(): void {}

  /** Deliveries that were fetched ahead. */
  protected fetchedAhead(): Promise<RedisDelivery[]> {
    return Promise.resolve([]);
  }

  /** Fetches whose replies have not been read yet. */
  protected get fetchesAhead(): readonly unknown[] {
    return [];
  }

  /**
   * Tells how many messages may be fetched before anybody asks for them: a batch, or none;
   * and none for those who do not take all there is room for.
   *
   * @param arriving How many messages have just arrived, or may.
   */
  protected roomBeside(arriving: number): number {
    if (!this.#takesAll || this.isClosed || this.#abort.isAborted) return 0;
    const room = Math.min(this.#prefetch - this.inFlight.unsettled - arriving, MAX_BATCH);
    return this.#isBatch(room) ? room : 0;
  }

  /**
   * True if there is room for a batch: half of the prefetch, while the worker is busy with
   * the other half. A small prefetch is fetched as a whole: two small batches cost more
   * than is won by having both sides work at the same time.
   */
  #isBatch(room: number): boolean {
    const all = Math.min(this.#prefetch, MAX_BATCH);
    return room >= (all < SMALL_PREFETCH ? all : all / 2);
  }

  /** Takes messages out for good. */
  protected acknowledge(deliveries: readonly RedisDelivery[]): Promise<void> {
    if (!this.suspects.isUsed) return this.#acks.add(deliveries);
    const { true: suspects = [], false: others = [] } = Object.groupBy(
      deliveries,
      (one) => `${isSuspect(one)}`,
    );
    const acks = others.length > 0 ? [this.#acks.add(others)] : [];
    if (suspects.length > 0) acks.push(this.suspects.ack(suspects));
    return Promise.all(acks).then(() => {});
  }

  /**
   * Puts messages back where they were, at most once: another consumer of this broker may have
   * fetched them again by the time that a lost answer is noticed. What was not put back is found
   * among what no consumer holds, see `LostDeliveries`.
   */
  protected async giveBack(deliveries: readonly RedisDelivery[]): Promise<void> {
    const { queue, messages, unacknowledged, suspects } = this.keys;
    const keys = [queue, messages, unacknowledged, ...(this.suspects.isUsed ? [suspects] : [])];
    for (let i = 0; i < deliveries.length; i += MAX_BATCH) {
      const ids = deliveries.slice(i, i + MAX_BATCH).map(({ id }) => id);
      try {
        await runAtMostOnce(this.session, REQUEUE, keys, ids);
      } catch (error) {
        if (!isUnavailable(error)) throw error;
        log.debug("Failed to requeue messages of {queue}, will retry: {reason}", {
          queue: this.queueName,
          reason: errorMessage(error),
        });
      }
    }
  }

  /** Runs a script that must get through: again until the server is back, or this is closed. */
  protected persist(
    script: Script,
    keys: readonly string[],
    args: readonly Encoded[],
  ): Promise<RedisReply> {
    return runUntil(() => this.isClosed, this.session, script, keys, args);
  }

  /**
   * With room for a batch it fetches at once. With less it waits for what else becomes free
   * in this turn.
   */
  #fillSoon(room: number): void {
    this.#queue.add(this);
    if (this.#isBatch(room)) this.#filling = this.#fill(room);
    else if (!this.#isTurnEnding) {
      this.#isTurnEnding = true;
      const begun = this.#acks.fetchComing();
      nextTurn().then(() => {
        this.#isTurnEnding = false;
        this.#fillAtTurnEnd();
        begun();
      });
    }
  }

  #fillAtTurnEnd(): void {
    if (this.isClosed || this.#abort.isAborted || this.#isWaiting) return;
    const room = Math.min(this.#prefetch - this.inFlight.unsettled, MAX_BATCH);
    if (room > 0) this.#filling ??= this.#fill(room);
  }

  async #fill(limit: number): Promise<void> {
    try {
      const deliveries = await this.fill(limit);
      this.#failures = 0;
      this.#arrived(deliveries);
      if (this.#ready.length === 0) this.#ready = deliveries;
      else this.#ready.push(...deliveries);
      if (deliveries.length === 0 && !this.isClosed) {
        this.#isWaiting = true;
        this.expectMore();
      }
    } catch (error) {
      if (!isUnavailable(error)) this.fail(error);
      else if (!this.isClosed) {
        this.#isWaiting = true;
        this.#retryTimer = setTimeout(this.wakeUp, retryDelay(this.#failures++));
      }
    }
    this.#filling = undefined;
    this.#wake();
  }

  async #close(): Promise<void> {
    this.#abort.follow(undefined);
    clearTimeout(this.#retryTimer);
    this.expectNothing();
    this.#wake();
    try {
      // What is on its way here would otherwise stay with this broker.
      await this.#filling;
      this.#arrived(await this.fetchedAhead());
      const left = this.inFlight.takeAll();
      await this.inFlight.settle(left, this.giveBack(left));
      await this.inFlight.settled();
    } finally {
      this.#queue.delete(this);
    }
    // One that has failed is followed by another, or by the end of the broker.
    if (this.#error === undefined) await this.closed();
  }

  #arrived(deliveries: readonly RedisDelivery[]): void {
    this.#queue.arrived(deliveries);
    this.inFlight.add(deliveries);
  }

  #take(messages: OneOrMany): RedisDelivery[] {
    const taken = this.inFlight.take(toList(messages));
    this.#wake();
    return taken;
  }
}
