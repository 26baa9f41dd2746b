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

/** Options of a fetch. */
interface FetchOptions {
  /** Most messages. */
  readonly limit: number;
  /** Ids of messages of the queue to acknowledge along the way. */
  readonly acknowledged: readonly string[];
  /** True if large texts are expected: they are read by a command of their own. */
  readonly isLarge: boolean;
}

/** Ids, texts if they were asked for, and what is known of each message if there are suspects. */
type FetchReply = [Buffer | Buffer[], (Buffer | null)[] | null, ((Buffer | null)[] | null)?];

/**
 * The most bytes of a text, on average, that the script reads. It copies each text twice: by
 * `HMGET` outside of it Redis needs 11 µs instead of 23 for one of 10 KB, 48 instead of 195 at
 * 100 KB and 450 instead of 3,900 at 1 MB. Of small ones a second command costs more than it saves.
 */
const MAX_BY_SCRIPT = 8_192;

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
  /** True if the last messages were large. */
  #isLarge = false;
  /** True if the last fetch brought all that it asked for: there is a backlog. */
  #hasBacklog = false;

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
      this.#hasBacklog = entries.length === fetch.limit;
      if (mayHaveMore) this.#isLarge = areLarge(entries);
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

  /** With a backlog two fetches are under way: Redis works on one while the other is read. */
  protected override roomMade(): void {
    if (this.#hasBacklog && this.#awaited !== undefined) this.#fetchAhead(this.#awaited.limit);
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
      fetchEntries(this.session, this.queueName, {
        limit,
        acknowledged: ids,
        isLarge: this.#isLarge,
      })
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
 * @param options How much, and how.
 * @returns What it got, maybe nothing.
 */
async function fetchEntries(
  session: RedisSession,
  queueName: string,
  { limit, acknowledged, isLarge }: FetchOptions,
): Promise<Entry[]> {
  const { queue, messages, unacknowledged, suspects: noted } = session.keys.of(queueName);
  const keys = [queue, messages, unacknowledged, noted];
  const sentAt = session.lease.now;
  const args = [limit, isLarge ? 1 : 0, ...acknowledged];
  const reply = await runOnce(session, FETCH, keys, args);
  session.lease.renew(sentAt); // before anything of it can start
  if (reply === null) return [];
  const [packed, found, suspects] = reply as FetchReply;
  const ids = packed instanceof Array ? packed.map(String) : splitIds(packed);
  const texts = found ??
    await session.connection.command(
      "read messages",
      "hmget",
      messages,
      ...ids,
    ) as (Buffer | null)[];
  if (!suspects) return ids.map((id, i) => [id, texts[i]!]);
  return ids.map((id, i) => {
    const suspect = suspects[i];
    return suspect ? [id, texts[i]!, toSuspicion(suspect)] : [id, texts[i]!];
  });
}

/** Tells whether texts are so large that the next ones are better read outside of the script. */
function areLarge(entries: readonly Entry[]): boolean {
  let total = 0;
  for (const [, text] of entries) total += text?.length ?? 0;
  return total > entries.length * MAX_BY_SCRIPT;
}

function hasEta(message: RedisDelivery): boolean {
  const eta = message.option("eta");
  return typeof eta === "number" && eta > 0;
}
