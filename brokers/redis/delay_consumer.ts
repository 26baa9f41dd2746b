import type { Timer } from "../../core/clock.ts";
import { decodeFromQueue, UndecodableMessage } from "../../core/undecodable_message.ts";
import { DueDelivery, RedisDelivery } from "./delivery.ts";
import { fetchEntries } from "./queue_consumer.ts";
import { type QueuePulse, RedisConsumer } from "./redis_consumer.ts";
import { CLAIM, DROP, RELEASE, SCHEDULE } from "./scripts.ts";

/** How many messages are sorted at once: the memory that a backlog of any size takes. */
const SORT_BATCH = 500;
/** Milliseconds after which a message that is due and was not promoted is anybody's again. */
const LOAN = 5_000;
/** How many messages of the same millisecond keep the order in which they were sent. */
const TIES = 4_096;

const textDecoder = new TextDecoder();

/**
 * Takes delayed messages off a delay queue when they are due.
 *
 * arrivals on `.DQ` ─(sort)▶ sorted by eta ─(claim, on loan)▶ worker ─(promote)▶ queue
 *
 * Only messages on loan are in the memory of the worker. One that is not promoted in
 * time falls back to the others, and a promotion that comes late does nothing.
 */
export class DelayConsumer extends RedisConsumer {
  /** Whether something may be on the delay queue that is not sorted. */
  #hasArrivals = true;
  #nextEta = Infinity;
  #timer: Timer | undefined;
  #sequence = 0;
  readonly #arrived = (): void => {
    this.#hasArrivals = true;
    this.wakeUp();
  };

  protected async fill(limit: number): Promise<RedisDelivery[]> {
    const undecodable = this.#hasArrivals ? await this.#sort(Math.min(limit, SORT_BATCH)) : [];
    if (undecodable.length === limit) return undecodable;
    return [...undecodable, ...await this.#claim(limit - undecodable.length)];
  }

  protected expectMore(): void {
    if (this.#hasArrivals) return void queueMicrotask(this.wakeUp);
    this.session.wakeups.expect(this.keys.queue, this.#arrived);
    this.#setTimer();
  }

  protected expectNothing(): void {
    this.session.wakeups.forget(this.keys.queue, this.#arrived);
    this.session.clock.clearTimer(this.#timer);
  }

  protected hasMore({ length, nextEta }: QueuePulse): boolean {
    if (length > 0) this.#hasArrivals = true;
    return length > 0 || nextEta < this.#nextEta;
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
    const { connection, clock } = this.session;
    if (due.length > 0) {
      const ids = due.map(({ id }) => id);
      await connection.runPatiently(RELEASE, [this.keys.etas], () => [clock.now(), ...ids]);
    }
    const fetched = deliveries.filter((one) => !(one instanceof DueDelivery));
    if (fetched.length > 0) await super.giveBack(fetched);
  }

  /** Sorts arrivals. @returns What cannot be sorted: data that is no message. */
  async #sort(limit: number): Promise<RedisDelivery[]> {
    const entries = await fetchEntries(this.session, this.queueName, limit);
    this.#hasArrivals = entries.length === limit;
    const undecodable: RedisDelivery[] = [];
    const args: string[] = [];
    for (const [id, text] of entries) {
      if (text === null) continue;
      const message = decodeFromQueue(this.queueName, text);
      if (message instanceof UndecodableMessage) {
        undecodable.push(new RedisDelivery(message, id));
        continue;
      }
      const eta = message.option("eta");
      const time = typeof eta === "number" ? Math.ceil(eta) : this.session.clock.now();
      args.push(`${time + this.#tie()}`, id);
    }
    // Scores that are equal go by id; messages are to go in the order they came.
    if (!this.#hasArrivals) this.#sequence = 0;
    const { unacknowledged, etas } = this.keys;
    if (args.length > 0) await this.persist(SCHEDULE, [unacknowledged, etas], args);
    return undecodable;
  }

  #tie(): number {
    this.#sequence = (this.#sequence + 1) % TIES;
    return this.#sequence / TIES;
  }

  async #claim(limit: number): Promise<RedisDelivery[]> {
    const { connection, clock, keys } = this.session;
    const now = clock.now();
    const { etas, delayed } = keys.of(this.queueName);
    // An eta carries less than a millisecond that tells ties apart.
    const reply = await connection.run(CLAIM, [etas, delayed], [
      now + 1 - 1 / TIES,
      limit,
      now + LOAN,
    ]);
    const [ids, texts, next] = reply as [Uint8Array[], (Uint8Array | null)[], Uint8Array | null];
    this.#nextEta = next === null ? Infinity : Number(textDecoder.decode(next));
    const deliveries: RedisDelivery[] = [];
    for (const [i, text] of texts.entries()) {
      if (text === null) continue;
      const id = textDecoder.decode(ids[i]);
      deliveries.push(new DueDelivery(decodeFromQueue(this.queueName, text), id));
    }
    return deliveries;
  }

  #setTimer(): void {
    const { clock } = this.session;
    clock.clearTimer(this.#timer);
    if (this.#nextEta === Infinity) return;
    this.#timer = clock.setTimer(this.wakeUp, Math.max(0, Math.floor(this.#nextEta) - clock.now()));
  }
}
