import type { Buffer } from "node:buffer";
import type { Timer } from "../../platform/clock.ts";
import { canonicalQueueName } from "../../core/queue_names.ts";
import { decodeFromQueue, UndecodableMessage } from "../../core/undecodable_message.ts";
import { DueDelivery, RedisDelivery } from "./delivery.ts";
import { RedisConsumer } from "./redis_consumer.ts";
import { CLAIM, DROP, RELEASE, SCHEDULE, SORT } from "./delayed_scripts.ts";
import { MAX_BATCH } from "./scripts.ts";
import { type QueueHeartbeat, runOnce } from "./session.ts";

/** Number of messages that are sorted at once: Redis is busy with that for about a millisecond. */
const SORT_BATCH = 200;
/** Number of messages that are a backlog. */
const BACKLOG = 5_000;
/** Milliseconds after which a message that is due and was not promoted is anybody's again. */
const LOAN = 5_000;

/**
 * Takes delayed messages off a delay queue when they are due.
 *
 * arrivals on `.DQ` ─(sort)▶ sorted by eta ─(claim, on loan)▶ worker ─(promote)▶ queue
 *
 * Only messages on loan are in the memory of the worker. One that is not promoted in
 * time falls back to the others, and a promotion that comes late does nothing.
 */
export class RedisDelayConsumer extends RedisConsumer {
  /** True if something may be on the delay queue that is not sorted. */
  #hasArrivals = true;
  /** When the next one is due, by the clock of the server. */
  #nextEta = Infinity;
  /** The same by monotonic time, but for the way of the answer. */
  #dueAt = Infinity;
  #timer: Timer | undefined;
  /** Number of messages to sort next: more while the backlog grows. */
  #batch = SORT_BATCH;
  /** Messages on the delay queue, when it was last looked at. */
  #unsorted = 0;
  /** True if the next arrivals are taken from the end of the delay queue. */
  #fromEnd = false;
  readonly #arrived = (): void => {
    this.#hasArrivals = true;
    this.wakeUp();
  };

  protected async fill(limit: number): Promise<RedisDelivery[]> {
    const undecodable = this.#hasArrivals ? await this.#sort() : [];
    if (undecodable.length >= limit) return undecodable;
    return [...undecodable, ...await this.#claim(limit - undecodable.length)];
  }

  protected expectMore(): void {
    if (this.#hasArrivals) return void queueMicrotask(this.wakeUp);
    this.session.notifier.subscribe(this.keys.queue, this.#arrived);
    this.#setTimer();
  }

  protected expectNothing(): void {
    this.session.notifier.unsubscribe(this.keys.queue, this.#arrived);
    this.session.clock.clearTimer(this.#timer);
  }

  protected hasMore({ length, nextEta, now }: QueueHeartbeat): boolean {
    if (length > 0) this.#hasArrivals = true;
    // The server's clock may have been set since, so that its time has come before the timer's.
    return length > 0 || nextEta < this.#nextEta || nextEta < now + 1;
  }

  protected override async acknowledge(deliveries: readonly RedisDelivery[]): Promise<void> {
    const left = deliveries.filter((one) => one instanceof DueDelivery && !one.isPromoted);
    const { etas, delayed } = this.keys;
    if (left.length > 0) {
      await this.session.connection.run(DROP, [etas, delayed], left.map(({ id }) => id));
    }
    const fetched = deliveries.filter((one) => !(one instanceof DueDelivery));
    if (fetched.length > 0) await super.acknowledge(fetched);
  }

  protected override async giveBack(deliveries: readonly RedisDelivery[]): Promise<void> {
    const due = deliveries.filter((one) => one instanceof DueDelivery);
    const { connection, serverClock } = this.session;
    if (due.length > 0) {
      const ids = due.map(({ id }) => id);
      await connection.runWithRetry(
        RELEASE,
        [this.keys.etas],
        () => [serverClock.argument, ...ids],
      );
    }
    const fetched = deliveries.filter((one) => !(one instanceof DueDelivery));
    if (fetched.length > 0) await super.giveBack(fetched);
  }

  protected override async closed(): Promise<void> {
    const { queues, delayRegistry } = this.session;
    if (queues.get(this.queueName)!.consumers.size > 0) return;
    await delayRegistry.leave(canonicalQueueName(this.queueName));
  }

  /** Sorts arrivals. @returns What cannot be sorted: data that is not a message. */
  async #sort(): Promise<RedisDelivery[]> {
    const { queue, messages, etas, unacknowledged } = this.keys;
    const { keys: { delays }, delayRegistry } = this.session;
    const entry = delayRegistry.register(canonicalQueueName(this.queueName));
    const args = [this.#batch, this.#fromEnd ? "RPOP" : "LPOP", entry];
    const keys = [queue, messages, etas, unacknowledged, delays];
    const reply = await runOnce(this.session, SORT, keys, args);
    const [left, strange] = reply as [number, Buffer[]];
    // Sorting must keep up with somebody's sending; as soon as it does, others come first.
    const grows = left > BACKLOG && left >= this.#unsorted;
    this.#batch = grows
      ? Math.min(this.#batch * 2, MAX_BATCH)
      : Math.max(this.#batch >> 1, SORT_BATCH);
    this.#unsorted = left;
    this.#hasArrivals = left > 0;
    // What was sent just now may be due before all of a backlog is sorted.
    this.#fromEnd = left > BACKLOG && !this.#fromEnd;
    return strange.length === 0 ? [] : await this.#look(strange);
  }

  /** Sorts what the server cannot read. @returns What cannot be read here either. */
  async #look(strange: readonly Buffer[]): Promise<RedisDelivery[]> {
    const undecodable: RedisDelivery[] = [];
    const args: string[] = [];
    for (let i = 0; i < strange.length; i += 2) {
      const id = strange[i]!.toString();
      const message = decodeFromQueue(this.queueName, strange[i + 1]!);
      if (message instanceof UndecodableMessage) {
        undecodable.push(new RedisDelivery(message, id));
        continue;
      }
      const eta = message.option("eta");
      const isEta = typeof eta === "number" && !Number.isNaN(eta);
      args.push(isEta ? `${eta}` : "", id);
    }
    const { unacknowledged, etas } = this.keys;
    if (args.length > 0) await this.persist(SCHEDULE, [unacknowledged, etas], args);
    return undecodable;
  }

  async #claim(limit: number): Promise<RedisDelivery[]> {
    const { connection, serverClock, keys, lease } = this.session;
    const { etas, delayed } = keys.of(this.queueName);
    const sentAt = lease.now;
    const reply = await connection.run(CLAIM, [etas, delayed], [serverClock.argument, limit, LOAN]);
    const [ids, texts, next, now] = reply as [Buffer[], (Buffer | null)[], Buffer | null, number];
    this.#nextEta = next === null ? Infinity : Number(next.toString());
    this.#dueAt = sentAt + Math.floor(this.#nextEta) - now;
    const deliveries: RedisDelivery[] = [];
    for (const [i, text] of texts.entries()) {
      if (text === null) continue;
      const id = ids[i]!.toString();
      deliveries.push(new DueDelivery(decodeFromQueue(this.queueName, text), id));
    }
    return deliveries;
  }

  #setTimer(): void {
    const { clock, lease } = this.session;
    clock.clearTimer(this.#timer);
    if (this.#dueAt === Infinity) return;
    this.#timer = clock.setTimer(this.wakeUp, Math.max(0, Math.ceil(this.#dueAt - lease.now)));
  }
}
