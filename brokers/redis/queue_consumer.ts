import type { Buffer } from "node:buffer";
import { type Encoded, getEncoder } from "../../core/encoder.ts";
import { decodeFromQueue } from "../../core/undecodable_message.ts";
import { delayQueueName } from "../../core/queue_names.ts";
import { RedisDelivery } from "./delivery.ts";
import { splitIds, splitTexts } from "./joined.ts";
import { type QueuePulse, RedisConsumer } from "./redis_consumer.ts";
import { FETCH, POSTPONE } from "./scripts.ts";
import { runOnce, type Session } from "./session.ts";

/** A text with its id; nothing where the id has none. */
type Entry = readonly [id: string, text: Encoded | null];

/**
 * Takes messages off a queue. When a batch has arrived and there is room for another one,
 * that is on its way before the first is even decoded, so that neither side waits.
 */
export class QueueConsumer extends RedisConsumer {
  /** The fetch that nobody has asked for yet. */
  #ahead: Promise<Entry[]> | undefined;

  protected async fill(limit: number): Promise<RedisDelivery[]> {
    while (true) {
      const fetching = this.#ahead ?? this.#fetch(limit);
      this.#ahead = undefined;
      const entries = await fetching;
      const room = entries.length === 0 ? 0 : this.roomBeside(entries.length);
      if (room > 0) {
        this.#ahead = this.#fetch(room);
        this.#ahead.catch(() => {}); // whoever asks next hears of it
      }
      const deliveries: RedisDelivery[] = [];
      const early: RedisDelivery[] = [];
      for (const [id, text] of entries) {
        if (text === null) continue; // as in Python the id stays with this broker
        const delivery = new RedisDelivery(decodeFromQueue(this.queueName, text), id);
        (isEarly(delivery, this.session) ? early : deliveries).push(delivery);
      }
      if (early.length > 0) await this.#postpone(early);
      if (deliveries.length > 0 || entries.length === 0) return deliveries;
    }
  }

  #fetch(limit: number): Promise<Entry[]> {
    return this.acks.along((ids) => fetchEntries(this.session, this.queueName, limit, ids));
  }

  protected override get fetchUnderWay(): unknown {
    return this.#ahead;
  }

  protected override async fetchedAhead(): Promise<RedisDelivery[]> {
    const entries = await this.#ahead?.catch(() => []) ?? [];
    return entries.flatMap(([id, text]) =>
      text === null ? [] : [new RedisDelivery(decodeFromQueue(this.queueName, text), id)]
    );
  }

  protected expectMore(): void {
    this.session.wakeups.expect(this.keys.queue, this.wakeUp);
  }

  protected expectNothing(): void {
    this.session.wakeups.forget(this.keys.queue, this.wakeUp);
  }

  protected hasMore({ length }: QueuePulse): boolean {
    return length > 0;
  }

  /** A message may say when it is due on any queue; Python honours it, too. */
  async #postpone(early: readonly RedisDelivery[]): Promise<void> {
    const { messages, unacknowledged, etas, delayed } = this.keys;
    const args = early.flatMap((message) => [`${message.option("eta")}`, message.id]);
    await this.persist(POSTPONE, [unacknowledged, messages, etas, delayed], args);
    const delayQueue = delayQueueName(this.queueName);
    for (const consumer of this.session.consumers) {
      if (consumer.queueName === delayQueue) consumer.wakeUp();
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
  session: Session,
  queueName: string,
  limit: number,
  acknowledged: readonly string[] = [],
): Promise<Entry[]> {
  const { queue, messages, unacknowledged } = session.keys.of(queueName);
  const keys = [queue, messages, unacknowledged];
  const reply = await runOnce(session, FETCH, keys, [limit, ...acknowledged]);
  if (reply === null) return [];
  const [ids, texts, joined] = reply as [Buffer, Buffer, Buffer] | [Buffer[], Buffer[], undefined];
  if (joined === undefined) return ids.map((id, i) => [`${id}`, texts[i]!]);
  const split = splitTexts(joined, texts, getEncoder().isText);
  return splitIds(ids).map((id, i) => [id, split[i]!]);
}

function isEarly(message: RedisDelivery, { clock }: Session): boolean {
  const eta = message.option("eta");
  return typeof eta === "number" && eta > clock.now();
}
