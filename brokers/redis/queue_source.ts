import type { Buffer } from "node:buffer";
import { decodeFromQueue } from "../../core/undecodable_message.ts";
import { RedisDelivery } from "./delivery.ts";
import { splitIds } from "./enqueue_batcher.ts";
import type { FetchDemand, FetchSource, SourceOptions } from "./fetch_source.ts";
import { hasEta, postponeEarly } from "./postpone.ts";
import type { QueueKeys } from "./keys.ts";
import { FETCH } from "./scripts.ts";
import { type QueueHeartbeat, type RedisSession, runOnce } from "./session.ts";
import { toSuspicion } from "./suspects.ts";

/** Fetched messages, in arrays of one length. */
interface Entries {
  readonly ids: readonly string[];
  /** Null for an id without a text. */
  readonly texts: readonly (Buffer | null)[];
  /** For each text, the entry of a suspect or null; absent if the queue has no suspects. */
  readonly suspects?: readonly (Buffer | null)[] | null | undefined;
}

/** Result of {@linkcode FETCH}. */
type FetchReply = [
  ids: Buffer | Buffer[],
  texts: (Buffer | null)[] | null,
  suspects?: (Buffer | null)[] | null,
];

const EMPTY: Entries = { ids: [], texts: [] };

/**
 * Maximum of bytes of an average text up to which the script reads the texts. It copies each of them
 * twice: `HMGET` outside of a script takes 11 µs instead of 23 for a text of 10 KB, 48 instead of 195
 * at 100 KB and 450 instead of 3,900 at 1 MB. For small ones, a second command costs more than it
 * saves.
 */
const MAX_BY_SCRIPT = 8_192;

/** A pending fetch. */
interface Fetch {
  readonly entries: Promise<Entries>;
  /** Maximum of messages that it may return. */
  readonly limit: number;
}

/**
 * Fetches from a queue. While there is room for another batch, the next fetch is sent before the
 * messages of the last one are decoded, so that Redis and this process work at the same time.
 */
export class QueueSource implements FetchSource {
  readonly #options: SourceOptions;
  readonly #demand: FetchDemand;
  /** Fetches ahead of a `fetch` call, in the order of their replies. */
  readonly #ahead: Fetch[] = [];
  /** The fetch whose reply `fetch` waits for. */
  #awaited: Fetch | undefined;
  /** True if the last messages were large. */
  #isLarge = false;
  /** True if the last fetch reached its limit. */
  #hasBacklog = false;

  constructor(options: SourceOptions, demand: FetchDemand) {
    this.#options = options;
    this.#demand = demand;
  }

  get fetches(): readonly unknown[] {
    return this.#awaited === undefined ? this.#ahead : [this.#awaited, ...this.#ahead];
  }

  async fetch(limit: number): Promise<RedisDelivery[]> {
    // After an empty reply, nothing more is fetched ahead, and the fetches that are already pending are
    // read. Otherwise an empty queue would be fetched from without end.
    let mayHaveMore = true;
    try {
      while (true) {
        const fetch = this.#awaited = this.#ahead.shift() ?? this.#begin(limit);
        if (mayHaveMore) this.#beginAhead(fetch.limit);
        const entries = await fetch.entries;
        const { length } = entries.ids;
        mayHaveMore = length > 0;
        this.#hasBacklog = length === fetch.limit;
        if (mayHaveMore) {
          this.#isLarge = areLarge(entries.texts);
          this.#beginAhead(length);
        }
        let deliveries = this.#decode(entries);
        if (deliveries.some(hasEta)) {
          deliveries = await postponeEarly(this.#options, deliveries);
        }
        const isEmpty = !mayHaveMore && this.#ahead.length === 0;
        if (deliveries.length > 0 || isEmpty) return deliveries;
      }
    } finally {
      this.#awaited = undefined;
    }
  }

  /** With a backlog, two fetches are pending: Redis runs one while the reply of the other is read. */
  fetchAhead(): void {
    if (this.#hasBacklog && this.#awaited !== undefined) this.#beginAhead(this.#awaited.limit);
  }

  async drain(): Promise<RedisDelivery[]> {
    const all = await Promise.all(this.#ahead.map(({ entries }) => entries.catch(() => EMPTY)));
    this.#ahead.length = 0;
    return all.flatMap((entries) => this.#decode(entries));
  }

  expectMore(): void {
    const { session, queueName } = this.#options;
    session.notifier.subscribe(session.keys.of(queueName).queue, this.#demand.wakeUp);
  }

  expectNothing(): void {
    const { session, queueName } = this.#options;
    session.notifier.unsubscribe(session.keys.of(queueName).queue, this.#demand.wakeUp);
  }

  hasMore({ length }: QueueHeartbeat): boolean {
    return length > 0;
  }

  closed(): Promise<void> {
    return Promise.resolve();
  }

  #beginAhead(arriving: number): void {
    const sum = this.#ahead.reduce((sum, { limit }) => sum + limit, arriving);
    const room = this.#demand.roomBeside(sum);
    if (room === 0) return;
    const fetch = this.#begin(room);
    fetch.entries.catch(() => {}); // the next `fetch` rejects with it
    this.#ahead.push(fetch);
  }

  #begin(limit: number): Fetch {
    const { session, queueName, acks } = this.#options;
    const isLarge = this.#isLarge ? 1 : 0;
    const entries = acks.sendWith((ids) =>
      fetchEntries(session, session.keys.of(queueName), [limit, isLarge, ...ids])
    );
    return { entries, limit };
  }

  #decode({ ids, texts, suspects }: Entries): RedisDelivery[] {
    const { queueName } = this.#options;
    const deliveries: RedisDelivery[] = [];
    for (let i = 0; i < ids.length; i++) {
      const text = texts[i]!;
      if (text === null) continue; // as in Python the id stays with this broker
      const delivery = new RedisDelivery(decodeFromQueue(queueName, text), ids[i]!);
      const note = suspects?.[i];
      if (note) this.#suspect(delivery, note);
      deliveries.push(delivery);
    }
    return deliveries;
  }

  #suspect(delivery: RedisDelivery, note: Buffer): void {
    delivery.suspicion = toSuspicion(note);
    this.#options.suspects.isUsed = true;
  }
}

/**
 * Fetches messages. Large texts are read by a second command.
 *
 * @param session The broker.
 * @param keys Keys of the queue.
 * @param args Maximum of messages, 1 if large texts are expected, and ids to acknowledge.
 */
async function fetchEntries(
  session: RedisSession,
  { queue, messages, unacknowledged, suspects: noted }: QueueKeys,
  args: readonly (string | number)[],
): Promise<Entries> {
  const sentAt = session.lease.now;
  const reply = await runOnce(session, FETCH, [queue, messages, unacknowledged, noted], args);
  session.lease.renew(sentAt); // before anything of it can start
  if (reply === null) return EMPTY;
  const [packed, found, suspects] = reply as FetchReply;
  const ids = packed instanceof Array ? packed.map(String) : splitIds(packed);
  const { connection } = session;
  const texts = found ?? await connection.command("read messages", "hmget", messages, ...ids);
  return { ids, texts: texts as (Buffer | null)[], suspects };
}

/** True if texts are so large that the next ones should be read outside of the script. */
function areLarge(texts: readonly (Buffer | null)[]): boolean {
  let total = 0;
  for (const text of texts) total += text?.length ?? 0;
  return total > texts.length * MAX_BY_SCRIPT;
}
