import { BaseInspector } from "../../core/base_inspector.ts";
import type {
  InspectionHost,
  ReadDeadLettersOptions,
  StoredDeadLetter,
} from "../../core/dead_letters.ts";
import type {
  Ability,
  ChangeOutcome,
  MessageRef,
  MessageState,
  Overview,
  OverviewOptions,
  QueueOverview,
} from "../../core/inspection.ts";
import type { HistoryMinute, WorkerReport } from "../../core/inspection_reports.ts";
import { NotSupported } from "../../core/inspection_error.ts";
import { decodeFromQueue } from "../../core/undecodable_message.ts";
import type { CheckedQuery, StoredPage } from "../../core/message_listing.ts";
import {
  deadLetterQueueName,
  delayQueueName,
  toCanonicalQueueName,
} from "../../core/queue_names.ts";
import type { StoredEntry } from "../../core/stored_entry.ts";
import type { ControlStore } from "../../core/control_store.ts";
import { readEntries } from "../../control/workers.ts";
import type { Clock } from "../../platform/clock.ts";
import { askForReports } from "./reports.ts";
import type { Channel } from "./client.ts";
import type { RabbitmqConnection } from "./connection.ts";
import { keyOf, toEntry, wholeOf } from "./dead_entries.ts";
import { missingQueueOf, unreachableQueueOf } from "./errors.ts";
import { LadderCounter } from "./ladder_counter.ts";
import type { ManagementApi } from "./management_api.ts";
import { toOverviews, UNKNOWN } from "./queue_overviews.ts";

/** Most queues of an overview. */
const MOST_QUEUES = 1_000;
/** Dead letters that are read, from the oldest on, and their bytes. */
const MOST_DEAD = 2_000;
const MOST_BYTES = 16 * 2 ** 20;
const PAGE_SIZE = 100;

const HIDDEN = "RabbitMQ shows no message without taking it off its queue";
const NEEDS_API = "RabbitMQ tells that by its HTTP API alone; set managementUrl";

/** Looks at a dead letter, and tells whether to go on. */
type LookAtDead = (stored: StoredDeadLetter, key: string) => boolean | Promise<boolean>;

/** Options of a {@linkcode RabbitmqInspector}. */
export interface RabbitmqInspectorOptions {
  readonly clock: Clock;
  readonly isQuorum: boolean;
  /** A connection of its own. */
  readonly connection: RabbitmqConnection;
  /** The HTTP API, if its address is known. */
  readonly api: ManagementApi | undefined;
  /** Reads dead letters from the oldest on. */
  readDeadLetters(
    queueName: string,
    options: ReadDeadLettersOptions,
  ): AsyncIterable<StoredDeadLetter>;
  /** Drops what is on the ladder of a queue, and tells how much. */
  purgeLadder(channel: Channel, queueName: string): Promise<void>;
  /** Store that has entries of workers, also of those that do not answer. */
  readonly control: ControlStore | undefined;
}

/** Inspector of a `RabbitmqBroker`, which shows what AMQP and, if it may be asked, the HTTP API tell. */
export class RabbitmqInspector extends BaseInspector {
  readonly #options: RabbitmqInspectorOptions;
  /** The last reading of dead letters: what one has in flight another does not see. */
  #reading: Promise<void> = Promise.resolve();
  readonly #ladders: LadderCounter;
  /** The question to workers that is under way. */
  #asking: Promise<WorkerReport[]> | undefined;

  /**
   * Stores the broker.
   *
   * @param host The broker.
   * @param options Its parts.
   */
  constructor(host: InspectionHost, options: RabbitmqInspectorOptions) {
    super(host, reasonsOf(options));
    this.#options = options;
    const { connection } = options;
    this.#ladders = new LadderCounter((name) => this.#countOn(name), () => connection.version);
  }

  /**
   * Counts the messages of the queues: of the declared ones alone without the HTTP API. Numbers of a
   * queue that is unavailable are `undefined`.
   */
  protected override async readOverview(
    { signal, queueNames = [] }: OverviewOptions,
  ): Promise<Overview> {
    const named = queueNames.map((name) => toCanonicalQueueName(name, "look at queue"));
    const all = [...new Set([...this.host.queues, ...named])].toSorted();
    const now = this.#options.clock.now();
    const { api } = this.#options;
    if (api !== undefined) {
      const { queues, isPartial } = await api.listQueues(signal);
      const looked = toOverviews(queues, all);
      for (const [i, queue] of looked.entries()) {
        if (!queue.ready) continue;
        looked[i] = { ...queue, headSince: await api.headSince(queue.queueName, signal) };
      }
      return { now, queues: looked, isPartial };
    }
    const queues: QueueOverview[] = [];
    for (const name of all.slice(0, MOST_QUEUES)) {
      signal?.throwIfAborted();
      queues.push(await this.#count(name));
    }
    return { now, queues, isPartial: all.length > MOST_QUEUES };
  }

  /** Closes the connection. */
  override async close(): Promise<void> {
    await this.#options.connection.close();
  }

  /**
   * Reads dead letters. Those are numbered from the oldest on, at most 2,000; more are listed from
   * the oldest on alone.
   */
  protected override async read(
    query: CheckedQuery,
    after: string | undefined,
    count: number,
  ): Promise<StoredPage> {
    const { queueName, order } = query;
    const { entries, total } = await this.#readDead(queueName);
    if (order === "newest" && entries.length === total) entries.reverse();
    const place = after === undefined ? -1 : entries.findIndex(({ cursor }) => cursor === after);
    const start = place + 1;
    return {
      entries: entries.slice(start, start + count),
      isLast: start + count >= entries.length,
      total,
      now: this.#options.clock.now(),
    };
  }

  protected override async readOne(ref: MessageRef): Promise<StoredEntry | undefined> {
    if (ref.state !== "dead") throw new NotSupported(`browse:${ref.state}`, `${HIDDEN}`);
    let found: StoredEntry | undefined;
    await this.#eachDead(ref.queueName, (stored, key) => {
      if (key === ref.key) found = { ...toEntry(ref.queueName, key, stored), ...wholeOf(stored) };
      return found === undefined;
    });
    return found;
  }

  protected override async moveMany(refs: readonly MessageRef[]): Promise<ChangeOutcome[]> {
    const other = refs.find(({ state }) => state !== "dead");
    if (other !== undefined) {
      throw new NotSupported("remove", `Cannot move ${other.state} messages: ${HIDDEN}`);
    }
    const failed = new Map<MessageRef, Error>();
    const done = await this.#settle(refs, async (stored, ref) => {
      const message = decodeFromQueue(ref.queueName, stored.data);
      try {
        return await this.host.requeue(ref.queueName, stored, message);
      } catch (error) {
        failed.set(ref, error as Error);
        return false;
      }
    });
    return refs.map((ref, i) => {
      const error = failed.get(ref);
      if (error !== undefined) return { ref, outcome: "failed", error };
      return { ref, outcome: done[i] ? "done" : "gone" };
    });
  }

  protected override replace(): Promise<boolean> {
    throw new NotSupported("remove", `Cannot move a message: ${HIDDEN}`); // moveMany does it
  }

  protected override async removeMany(refs: readonly MessageRef[]): Promise<boolean[]> {
    const other = refs.find(({ state }) => state !== "dead");
    if (other !== undefined) {
      throw new NotSupported("remove", `Cannot drop ${other.state} messages: ${HIDDEN}`);
    }
    return await this.#settle(refs, (stored) => stored.drop());
  }

  protected override async removeAll(queueName: string, state: MessageState): Promise<number> {
    const { connection, purgeLadder } = this.#options;
    const name = state === "ready"
      ? queueName
      : state === "dead"
      ? deadLetterQueueName(queueName)
      : delayQueueName(queueName);
    const onLadder = state === "delayed" ? await this.#ladders.count(queueName) : 0;
    try {
      const { messageCount } = await connection.control(`purge "${name}"`, async (channel) => {
        if (onLadder > 0) await purgeLadder(channel, queueName);
        return await channel.purgeQueue(name) as { messageCount: number };
      });
      return messageCount + onLadder;
    } catch (error) {
      if (missingQueueOf(error) !== undefined) return 0;
      throw error;
    }
  }

  /** Asks workers; those that do not answer in time may have an entry in the control store. */
  protected override async readWorkers(): Promise<WorkerReport[]> {
    const { connection, clock, control } = this.#options;
    this.#asking ??= askForReports(connection, clock).finally(() => this.#asking = undefined);
    const entries = control === undefined ? [] : await readEntries(control);
    const reports = await this.#asking;
    const known = new Set(reports.map(({ id }) => id));
    return [...reports, ...entries.filter(({ id }) => !known.has(id))];
  }

  protected override readHistory(): Promise<HistoryMinute[]> {
    this.assertAble("history");
    return Promise.resolve([]);
  }

  async #count(queueName: string): Promise<QueueOverview> {
    const known = (count: Promise<number>) => count.catch(undefinedIfUnreachable);
    const onLadder = await known(this.#ladders.count(queueName));
    const due = await known(this.#countOn(delayQueueName(queueName)));
    return {
      ...UNKNOWN,
      queueName,
      ready: await known(this.#countOn(queueName)),
      delayed: due === undefined || onLadder === undefined ? undefined : due + onLadder,
      dead: await known(this.#countOn(deadLetterQueueName(queueName))),
    };
  }

  /** Counts the messages of a queue, which is not declared for that. */
  async #countOn(name: string): Promise<number> {
    try {
      return await this.#options.connection.control(
        `count the messages of "${name}"`,
        async (channel) => (await channel.checkQueue(name)).messageCount,
      );
    } catch (error) {
      if (missingQueueOf(error) !== undefined) return 0;
      throw error;
    }
  }

  async #readDead(queueName: string): Promise<{ entries: StoredEntry[]; total: number }> {
    const total = await this.#countOn(deadLetterQueueName(queueName));
    const entries: StoredEntry[] = [];
    let bytes = 0;
    if (total === 0) return { entries, total };
    await this.#eachDead(queueName, (stored, key) => {
      entries.push(toEntry(queueName, key, stored));
      bytes += stored.data.length;
      return entries.length < MOST_DEAD && bytes < MOST_BYTES;
    });
    return { entries, total: Math.max(total, entries.length) };
  }

  /** Goes through dead letters until told to stop, one reading after the other. */
  async #eachDead(queueName: string, look: LookAtDead): Promise<void> {
    const reading = this.#reading.then(() => this.#goThroughDead(queueName, look));
    this.#reading = reading.catch(() => {});
    await reading;
  }

  async #goThroughDead(queueName: string, look: LookAtDead): Promise<void> {
    const seen = new Map<string, number>();
    let count = 0;
    const settled = () => Promise.resolve();
    for await (
      const stored of this.#options.readDeadLetters(queueName, { pageSize: PAGE_SIZE, settled })
    ) {
      const key = keyOf(queueName, stored, seen);
      if (!await look(stored, key) || ++count >= MOST_DEAD) return;
    }
  }

  async #settle(
    refs: readonly MessageRef[],
    settle: (stored: StoredDeadLetter, ref: MessageRef) => Promise<boolean>,
  ): Promise<boolean[]> {
    const done = new Set<MessageRef>();
    for (const [queueName, group] of Map.groupBy(refs, (ref) => ref.queueName)) {
      const left = new Map(group.map((ref) => [ref.key, ref]));
      await this.#eachDead(queueName, async (stored, key) => {
        const ref = left.get(key);
        if (ref !== undefined && await settle(stored, ref)) done.add(ref);
        left.delete(key);
        return left.size > 0;
      });
    }
    return refs.map((ref) => done.has(ref));
  }
}

/** The number of messages on a queue that is unavailable, while others can be counted. */
function undefinedIfUnreachable(error: unknown): undefined {
  if (unreachableQueueOf(error) === undefined) throw error;
}

function reasonsOf({ isQuorum, api }: RabbitmqInspectorOptions) {
  return {
    "browse:ready": HIDDEN,
    "browse:delayed": HIDDEN,
    "browse:unacknowledged": HIDDEN,
    ...(isQuorum && {
      "browse:dead": "quorum queues count each look as a delivery",
      remove: "quorum queues count each look as a delivery",
      find: "quorum queues count each look as a delivery",
    }),
    ...(api === undefined && { unacknowledged: NEEDS_API, headAge: NEEDS_API }),
    history: "RabbitMQ stores none; use the metrics of Prometheus",
  } satisfies Partial<Record<Ability, string>>;
}
