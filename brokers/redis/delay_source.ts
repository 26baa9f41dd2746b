import type { Buffer } from "node:buffer";
import type { Timer } from "../../platform/clock.ts";
import { canonicalQueueName } from "../../core/queue_names.ts";
import { decodeFromQueue, UndecodableMessage } from "../../core/undecodable_message.ts";
import { DueDelivery, RedisDelivery } from "./delivery.ts";
import type { FetchDemand, FetchSource, SourceOptions } from "./fetch_source.ts";
import { CLAIM, SCHEDULE, SORT } from "./delayed_scripts.ts";
import { MAX_BATCH } from "./scripts.ts";
import { type QueueHeartbeat, runOnce } from "./session.ts";
import { runInMicrotask } from "../../platform/microtask.ts";

/** Number of messages that one call sorts: it blocks Redis for about a millisecond. */
const SORT_BATCH = 200;
/** Number of unsorted messages above which they count as a backlog. */
const BACKLOG = 5_000;
/** Milliseconds after which other workers may claim a message that has not been promoted. */
const LOAN_DURATION = 5_000;

/**
 * Fetches the messages of a delay queue that are due.
 *
 * arrivals on `.DQ` ─(sort)▶ sorted by eta ─(claim, on loan)▶ worker ─(promote)▶ queue
 *
 * Only claimed messages are in the memory of the worker. One that is not promoted before its loan ends
 * can be claimed by other workers, and a promotion that comes too late does nothing.
 */
export class DelaySource implements FetchSource {
  /** Empty: it does not fetch ahead. */
  readonly fetches: readonly unknown[] = [];
  readonly #options: SourceOptions;
  readonly #demand: FetchDemand;
  /** True if the delay queue may have unsorted messages. */
  #hasArrivals = true;
  /** When the next message is due, by the clock of the server. */
  #nextEta = Infinity;
  /** The same by monotonic time, early by the time that the reply took. */
  #dueAt = Infinity;
  #timer: Timer | undefined;
  /** Number of messages that the next call sorts: grows with the backlog. */
  #batch = SORT_BATCH;
  /** Number of unsorted messages after the last call. */
  #unsorted = 0;
  /** True if the next call sorts from the end of the delay queue. */
  #fromEnd = false;
  readonly #arrived = (): void => {
    this.#hasArrivals = true;
    this.#demand.wakeUp();
  };

  constructor(options: SourceOptions, demand: FetchDemand) {
    this.#options = options;
    this.#demand = demand;
  }

  async fetch(limit: number): Promise<RedisDelivery[]> {
    const undecodable = this.#hasArrivals ? await this.#sort() : [];
    if (undecodable.length >= limit) return undecodable;
    return [...undecodable, ...await this.#claim(limit - undecodable.length)];
  }

  fetchAhead(): void {}

  drain(): Promise<RedisDelivery[]> {
    return Promise.resolve([]);
  }

  expectMore(): void {
    if (this.#hasArrivals) return void runInMicrotask(this.#demand.wakeUp);
    const { session, queueName } = this.#options;
    session.notifier.subscribe(session.keys.of(queueName).queue, this.#arrived);
    this.#setTimer();
  }

  expectNothing(): void {
    const { session, queueName } = this.#options;
    session.notifier.unsubscribe(session.keys.of(queueName).queue, this.#arrived);
    session.clock.clearTimer(this.#timer);
  }

  hasMore({ length, nextEta, now }: QueueHeartbeat): boolean {
    if (length > 0) this.#hasArrivals = true;
    // The clock of the server may have been set: a message can be due before the timer fires.
    return length > 0 || nextEta < this.#nextEta || nextEta < now + 1;
  }

  /** After the last consumer of the queue, restores its delayed messages for workers in Python. */
  async closed(): Promise<void> {
    const { session: { queues, delayRegistry }, queueName } = this.#options;
    if (queues.get(queueName)!.consumers.size > 0) return;
    await delayRegistry.leave(canonicalQueueName(queueName));
  }

  /** Sorts arrivals. @returns Undecodable messages. */
  async #sort(): Promise<RedisDelivery[]> {
    const { session, queueName } = this.#options;
    const { queue, messages, etas, unacknowledged } = session.keys.of(queueName);
    const entry = session.delayRegistry.register(canonicalQueueName(queueName));
    const args = [this.#batch, this.#fromEnd ? "RPOP" : "LPOP", entry];
    const keys = [queue, messages, etas, unacknowledged, session.keys.delays];
    const reply = await runOnce(session, SORT, keys, args);
    const [left, unparsed] = reply as [number, Buffer[]];
    // Larger batches while messages arrive faster than they are sorted, smaller ones when they do not.
    const grows = left > BACKLOG && left >= this.#unsorted;
    this.#batch = grows
      ? Math.min(this.#batch * 2, MAX_BATCH)
      : Math.max(this.#batch >> 1, SORT_BATCH);
    this.#unsorted = left;
    this.#hasArrivals = left > 0;
    // From both ends in turns: new messages may be due before a whole backlog is sorted.
    this.#fromEnd = left > BACKLOG && !this.#fromEnd;
    return unparsed.length === 0 ? [] : await this.#sortUnparsed(unparsed);
  }

  /** Sorts messages in which Redis found no eta. @returns Those that cannot be decoded here either. */
  async #sortUnparsed(unparsed: readonly Buffer[]): Promise<RedisDelivery[]> {
    const { session, queueName, run } = this.#options;
    const undecodable: RedisDelivery[] = [];
    const args: string[] = [];
    for (let i = 0; i < unparsed.length; i += 2) {
      const id = unparsed[i]!.toString();
      const message = decodeFromQueue(queueName, unparsed[i + 1]!);
      if (message instanceof UndecodableMessage) {
        undecodable.push(new RedisDelivery(message, id));
        continue;
      }
      const eta = message.option("eta");
      const isEta = typeof eta === "number" && !Number.isNaN(eta);
      args.push(isEta ? `${eta}` : "", id);
    }
    const { unacknowledged, etas } = session.keys.of(queueName);
    if (args.length > 0) await run(SCHEDULE, [unacknowledged, etas], args);
    return undecodable;
  }

  async #claim(limit: number): Promise<RedisDelivery[]> {
    const { session: { connection, serverClock, keys, lease }, queueName } = this.#options;
    const { etas, delayed } = keys.of(queueName);
    const sentAt = lease.now;
    const reply = await connection.run(CLAIM, [etas, delayed], [
      serverClock.argument,
      limit,
      LOAN_DURATION,
    ]);
    const [ids, texts, next, now] = reply as [Buffer[], (Buffer | null)[], Buffer | null, number];
    this.#nextEta = next === null ? Infinity : Number(next.toString());
    this.#dueAt = sentAt + Math.floor(this.#nextEta) - now;
    const deliveries: RedisDelivery[] = [];
    for (const [i, text] of texts.entries()) {
      if (text === null) continue;
      const id = ids[i]!.toString();
      deliveries.push(new DueDelivery(decodeFromQueue(queueName, text), id));
    }
    return deliveries;
  }

  #setTimer(): void {
    const { clock, lease } = this.#options.session;
    clock.clearTimer(this.#timer);
    if (this.#dueAt === Infinity) return;
    const delay = Math.max(0, Math.ceil(this.#dueAt - lease.now));
    this.#timer = clock.setTimer(this.#demand.wakeUp, delay);
  }
}
