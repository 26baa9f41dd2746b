import { BaseInspector } from "../../core/base_inspector.ts";
import type { MessageRef, MessageState, Overview, QueueOverview } from "../../core/inspection.ts";
import type { HistoryMinute, WorkerReport } from "../../core/inspection_reports.ts";
import type { InspectionHost } from "../../core/dead_letters.ts";
import type { Message } from "../../core/message.ts";
import type { CheckedQuery, StoredPage } from "../../core/message_listing.ts";
import type { MessageProxy } from "../../core/message_proxy.ts";
import { canonicalQueueName, delayQueueName } from "../../core/queue_names.ts";
import { sumMinutes } from "../../core/report_source.ts";
import { cut, type StoredEntry, waitsSince } from "../../core/stored_entry.ts";
import type { Encoded } from "../../encoders/encoder.ts";
import type { Clock } from "../../platform/clock.ts";
import type { StubDeadLetter } from "./dead_letters.ts";
import type { StoredMessage, StubQueue } from "./queue.ts";

/** Maximum of messages of one queue and state that are visited. */
const MAX_WALK = 10_000;

/** Keys of messages, which grow in the order in which messages are first seen. */
export class StubKeys {
  readonly #keys: WeakMap<object, number> = new WeakMap();
  #last = 0;

  /** The key of a message. */
  of(stored: object): number {
    let key = this.#keys.get(stored);
    if (key === undefined) this.#keys.set(stored, key = ++this.#last);
    return key;
  }
}

/** The parts of a `StubBroker` that its inspector uses. */
export interface StubStorage {
  readonly clock: Clock;
  /** Minutes of workers that have stopped. */
  history(): readonly HistoryMinute[];
  /** A declared queue or its delay queue. */
  queue(queueName: string): StubQueue;
  /** Consumers of a queue or delay queue. */
  consumers(queueName: string): readonly { readonly unsettled: readonly StoredMessage[] }[];
  /** Dead letters of a queue, in the order of their deaths. */
  deadLetters(queueName: string): readonly StubDeadLetter[];
  /** A dead letter by its key. */
  deadLetter(queueName: string, key: number): StubDeadLetter | undefined;
  /** Stores a message on its queue. */
  store(message: Message): void;
  /** Removes a dead letter, unless it was removed before, and enqueues a message in its place. */
  removeDeadLetter(letter: MessageProxy, message?: Message): boolean;
}

/** A message that was found. */
interface Found {
  readonly key: number;
  /** Sort key of a list; the position of ready messages. */
  readonly at: number;
  /** Stored data. That of a dead letter is encoded on access. */
  readonly data: Encoded;
  readonly diedAt?: number;
  readonly eta?: number;
  remove(replacement?: Message): boolean;
}

/** Inspector of a `StubBroker`, which reads the memory of that. */
export class StubInspector extends BaseInspector {
  readonly #keys: StubKeys;
  readonly #storage: StubStorage;

  /**
   * Stores the broker.
   *
   * @param host The broker.
   * @param keys The keys of its messages.
   * @param storage Its queues.
   */
  constructor(host: InspectionHost, keys: StubKeys, storage: StubStorage) {
    super(host);
    this.#keys = keys;
    this.#storage = storage;
  }

  /** Counts the messages of all declared queues. */
  protected override readOverview(): Promise<Overview> {
    const queues = [...this.host.queues].toSorted().map((name) => this.#count(name));
    return Promise.resolve({ now: this.#storage.clock.now(), queues, isPartial: false });
  }

  /** Has nothing to close. */
  override async close(): Promise<void> {}

  protected override read(
    query: CheckedQuery,
    after: string | undefined,
    count: number,
  ): Promise<StoredPage> {
    const { queueName, state, order } = query;
    const all = this.#find(queueName, state);
    if (order === "newest") all.reverse();
    const [start, movedTo] = after === undefined ? [0, undefined] : startAfter(all, after, query);
    const some = all.slice(start, start + count);
    return Promise.resolve({
      entries: some.map((one) => toEntry({ queueName, state }, one, cut(one.data))),
      isLast: start + count >= all.length,
      total: all.length,
      movedTo,
      now: this.#storage.clock.now(),
    });
  }

  protected override readOne(ref: MessageRef): Promise<StoredEntry | undefined> {
    const found = this.#findOne(ref);
    if (found === undefined) return Promise.resolve(undefined);
    const { data } = found;
    return Promise.resolve(toEntry(ref, found, { data, size: cut(data).size }));
  }

  protected override replace(ref: MessageRef, message: Message): Promise<boolean> {
    return Promise.resolve(this.#findOne(ref)?.remove(message) ?? false);
  }

  protected override removeMany(refs: readonly MessageRef[]): Promise<boolean[]> {
    return Promise.resolve(refs.map((ref) => this.#findOne(ref)?.remove() ?? false));
  }

  protected override removeAll(queueName: string, state: MessageState): Promise<number> {
    let count = 0;
    for (let some = this.#find(queueName, state); some.length > 0;) {
      count += some.filter((one) => one.remove()).length;
      some = this.#find(queueName, state);
    }
    return Promise.resolve(count);
  }

  protected override readWorkers(): Promise<WorkerReport[]> {
    const reports = Array.from(this.host.reportSources, (source) => source.report());
    return Promise.resolve(reports.filter((report) => report !== undefined));
  }

  protected override readHistory(minutes: number): Promise<HistoryMinute[]> {
    const living = [...this.host.reportSources].flatMap((source) => source.minutes);
    const parts = [...this.#storage.history(), ...living];
    return Promise.resolve(sumMinutes(parts, minutes, this.#now));
  }

  get #now(): number {
    return this.#storage.clock.now();
  }

  #count(queueName: string): QueueOverview {
    const own = this.#storage.queue(queueName).counts;
    const later = this.#storage.queue(delayQueueName(queueName)).counts;
    const [head] = this.#find(queueName, "ready", 1);
    return {
      queueName,
      ready: own.ready,
      delayed: own.delayed + later.ready + later.delayed + later.unacknowledged,
      unacknowledged: own.unacknowledged,
      dead: this.#storage.deadLetters(queueName).length,
      headSince: head && waitsSince(toEntry({ queueName, state: "ready" }, head, cut(head.data))),
      consumers: this.#storage.consumers(queueName).length,
    };
  }

  #findOne({ queueName, state, key }: MessageRef): Found | undefined {
    if (state !== "dead") {
      return this.#find(queueName, state).find((one) => String(one.key) === key);
    }
    const found = this.#storage.deadLetter(queueName, Number(key));
    return found && this.#toFoundLetter(found);
  }

  /** Messages of a queue in one state, the oldest first. */
  #find(queueName: string, state: MessageState, limit = MAX_WALK): Found[] {
    switch (state) {
      case "ready":
        return this.#stored(queueName, (queue) => queue.peekReady(limit))
          .map((one, i) => ({ ...one, at: i }));
      case "delayed":
        return [
          ...this.#stored(queueName, (queue) => queue.peekDelayed(limit)),
          ...this.#stored(delayQueueName(queueName), (queue) => [
            ...queue.peekReady(limit),
            ...queue.peekDelayed(limit),
          ]),
        ].toSorted((a, b) => a.at - b.at || a.key - b.key);
      case "unacknowledged":
        return this.#storage.consumers(queueName).flatMap(({ unsettled }) =>
          unsettled.map((one) => this.#toFound(one, () => false))
        ).toSorted((a, b) => a.key - b.key).map((one, i) => ({ ...one, at: i }));
      case "dead":
        return this.#storage.deadLetters(queueName).map((one) => this.#toFoundLetter(one));
    }
  }

  /** Converts a dead letter. Its data is encoded on access, since lists visit all and show few. */
  #toFoundLetter({ key, letter, diedAt }: StubDeadLetter): Found {
    return {
      key,
      at: diedAt,
      get data() {
        return letter.deadLetter.encode();
      },
      diedAt,
      remove: (message) => this.#storage.removeDeadLetter(letter, message),
    };
  }

  #stored(queueName: string, peek: (queue: StubQueue) => readonly StoredMessage[]): Found[] {
    if (!this.host.queues.has(canonicalQueueName(queueName))) return [];
    const queue = this.#storage.queue(queueName);
    return peek(queue).map((stored) =>
      this.#toFound(stored, (message) => {
        message?.encode(); // throws before anything is removed, if it cannot be encoded
        if (!queue.remove(stored)) return false;
        if (message !== undefined) this.#storage.store(message);
        return true;
      })
    );
  }

  #toFound(stored: StoredMessage, remove: Found["remove"]): Found {
    const { data, eta } = stored;
    return { key: this.#keys.of(stored), at: eta, data, ...(eta > 0 && { eta }), remove };
  }
}

/** Start of a page after another one, whose last message may have been removed meanwhile. */
function startAfter(
  all: readonly Found[],
  after: string,
  { state, order }: CheckedQuery,
): [start: number, movedTo?: number] {
  const [at = 0, key = 0] = after.split(",").map(Number);
  const last = all.findIndex((one) => one.key === key);
  if (last >= 0) return [last + 1];
  const isAfter = (one: Found) =>
    order === "newest"
      ? one.at < at || (one.at === at && one.key < key)
      : one.at > at || (one.at === at && one.key > key);
  const found = all.findIndex(isAfter);
  const start = found < 0 ? all.length : found;
  return state === "ready" ? [start, start] : [start];
}

function toEntry(
  { queueName, state }: MessageRef | Pick<MessageRef, "queueName" | "state">,
  { key, at, diedAt, eta }: Found,
  content: Pick<StoredEntry, "data" | "tail" | "size">,
): StoredEntry {
  const isListed = state === "ready";
  return {
    ...content,
    ref: { queueName, state, key: String(key), ...(isListed && { position: at }) },
    ...(diedAt !== undefined && { diedAt }),
    ...(eta !== undefined && { eta }),
    cursor: `${at},${key}`,
  };
}
