import type { Buffer } from "node:buffer";
import { decodeFromQueue } from "../../core/undecodable_message.ts";
import { delayQueueName } from "../../core/queue_names.ts";

import { type OneOrMany, toList } from "../../core/consumer.ts";
import type { MessageProxy } from "../../core/message_proxy.ts";
import type { Suspicion } from "../../core/suspicion.ts";
import { RedisDelivery } from "./delivery.ts";
import { splitIds } from "./enqueue_batcher.ts";
import { RedisConsumer } from "./redis_consumer.ts";
import { POSTPONE } from "./delayed_scripts.ts";
import { FETCH } from "./scripts.ts";
import { toSuspicion } from "./suspects.ts";
import { type QueueHeartbeat, type RedisSession, runOnce } from "./session.ts";

/** A text with its id; nothing where the id has none. And what it is suspected of, if it is. */
type Entry = readonly [id: string, text: Buffer | null, suspicion?: Suspicion];

/** Ids, texts, and what is known of each message if there are suspects. */
type FetchReply = [Buffer | Buffer[], (Buffer | null)[], (Buffer | null)[]?];

/** A fetch under way. */
interface Fetch {
  readonly entries: Promise<Entry[]>;
  /** Most messages that it may bring. */
  readonly limit: number;
}

/**
 * Takes messages off a queue. While there is room for another batch, that is on its way
 * before the one that came is even decoded, so that neither side waits; with a server that
 * is far away, one after the other.
 */
export class RedisQueueConsumer extends RedisConsumer {
  /** Fetches that were not asked for yet, in the order in which they are answered. */
  readonly #ahead: Fetch[] = [];
  /** The one that is waited for. */
  #awaited: Fetch | undefined;

  protected async fill(limit: number): Promise<RedisDelivery[]> {
    try {
      return await this.#fill(limit);
    } finally {
      this.#awaited = undefined;
    }
  }

  async #fill(limit: number): Promise<RedisDelivery[]> {
    // Once the queue was found empty, nothing more is fetched ahead: what is on its way is read,
    // and then it is waited for. Fetching on would never end while there is room for a batch.
    let mayHaveMore = true;
    while (true) {
      const fetch = this.#ahead.shift() ?? this.#fetch(limit);
      this.#awaited = fetch;
      if (mayHaveMore) this.#fetchAhead(fetch.limit);
      const entries = await fetch.entries;
      mayHaveMore = entries.length > 0;
      if (mayHaveMore) this.#fetchAhead(entries.length);
      let deliveries: RedisDelivery[] = [];
      let mayBeEarly = false;
      for (const entry of entries) {
        const [id, text] = entry;
        if (text === null) continue; // as in Python the id stays with this broker
        const delivery = new RedisDelivery(decodeFromQueue(this.queueName, text), id);
        if (entry.length > 2) this.#suspect(delivery, entry[2]);
        mayBeEarly ||= hasEta(delivery);
        deliveries.push(delivery);
      }
      if (mayBeEarly) deliveries = await this.#postponeEarly(deliveries);
      const isEmpty = entries.length === 0 && this.#ahead.length === 0;
      if (deliveries.length > 0 || isEmpty) return deliveries;
    }
  }

  #suspect(delivery: RedisDelivery, suspicion: Suspicion | undefined): void {
    delivery.suspicion = suspicion;
    this.suspects.isUsed = true;
  }

  /** Marks suspects that are about to start. */
  override async begin(messages: OneOrMany): Promise<readonly MessageProxy[]> {
    return await this.suspects.begin(toList(messages));
  }

  #fetchAhead(arriving: number): void {
    const room = this.roomBeside(this.#ahead.reduce((sum, { limit }) => sum + limit, arriving));
    if (room === 0) return;
    const fetch = this.#fetch(room);
    fetch.entries.catch(() => {}); // whoever asks next hears of it
    this.#ahead.push(fetch);
  }

  #fetch(limit: number): Fetch {
    const entries = this.acks.along((ids) =>
      fetchEntries(this.session, this.queueName, limit, ids)
    );
    return { entries, limit };
  }

  protected override get fetchesAhead(): readonly unknown[] {
    return this.#awaited === undefined ? this.#ahead : [this.#awaited, ...this.#ahead];
  }

  protected override async fetchedAhead(): Promise<RedisDelivery[]> {
    const fetched = await Promise.all(this.#ahead.map(({ entries }) => entries.catch(() => [])));
    return fetched.flat().flatMap(([id, text]) =>
      text === null ? [] : [new RedisDelivery(decodeFromQueue(this.queueName, text), id)]
    );
  }

  protected expectMore(): void {
    this.session.notifier.subscribe(this.keys.queue, this.wakeUp);
  }

  protected expectNothing(): void {
    this.session.notifier.unsubscribe(this.keys.queue, this.wakeUp);
  }

  protected hasMore({ length }: QueueHeartbeat): boolean {
    return length > 0;
  }

  /**
   * Delays what is not due: a message may say when it is on any queue, and Python honours it, too.
   *
   * @returns The others.
   */
  async #postponeEarly(deliveries: readonly RedisDelivery[]): Promise<RedisDelivery[]> {
    const { messages, unacknowledged, etas, delayed } = this.keys;
    const withEta = deliveries.filter(hasEta);
    const args = withEta.flatMap((message) => [`${message.option("eta")}`, message.id]);
    const reply = await this.persist(POSTPONE, [unacknowledged, messages, etas, delayed], args);
    const due = new Set((reply as Buffer[]).map(String));
    if (due.size < withEta.length) this.#wakeDelayConsumer();
    return deliveries.filter((message) => !hasEta(message) || due.has(message.id));
  }

  #wakeDelayConsumer(): void {
    const delayQueue = delayQueueName(this.queueName);
    for (const consumer of this.session.queues.get(delayQueue)?.consumers ?? []) {
      consumer.wakeUp();
    }
  }
}

/**
 * Fetches from a queue or delay queue.
 *
 * @param session The broker.
 * @param queueName The queue.
 * @param limit How many at most.
 * @param acknowledged The ids of messages of that queue to acknowledge along the way.
 * @returns What it got, maybe nothing.
 */
export async function fetchEntries(
  session: RedisSession,
  queueName: string,
  limit: number,
  acknowledged: readonly string[] = [],
): Promise<Entry[]> {
  const { queue, messages, unacknowledged, suspects: noted } = session.keys.of(queueName);
  const keys = [queue, messages, unacknowledged, noted];
  const sentAt = session.lease.now;
  const reply = await runOnce(session, FETCH, keys, [limit, ...acknowledged]);
  session.lease.renew(sentAt); // before anything of it can start
  if (reply === null) return [];
  const [ids, texts, suspects] = reply as FetchReply;
  const split = ids instanceof Array ? ids.map(String) : splitIds(ids);
  if (suspects === undefined) return texts.map((text, i) => [split[i]!, text]);
  return texts.map((text, i) => {
    const suspect = suspects[i];
    return suspect ? [split[i]!, text, toSuspicion(suspect)] : [split[i]!, text];
  });
}

function hasEta(message: RedisDelivery): boolean {
  const eta = message.option("eta");
  return typeof eta === "number" && eta > 0;
}
