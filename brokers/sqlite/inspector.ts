import { BaseInspector } from "../../core/base_inspector.ts";
import type { InspectionHost } from "../../core/dead_letters.ts";
import type {
  MessageRef,
  MessageState,
  Overview,
  OverviewOptions,
  QueueOverview,
} from "../../core/inspection.ts";
import type { HistoryMinute, WorkerReport } from "../../core/inspection_reports.ts";
import type { Message } from "../../core/message.ts";
import type { CheckedQuery, StoredPage } from "../../core/message_listing.ts";
import { toCanonicalQueueName, whatIsWrongWithQueueName } from "../../core/queue_names.ts";
import type { StoredEntry } from "../../core/stored_entry.ts";
import { DEAD, DELAYED, READY, TAKEN } from "../../clients/sqlite/schema.ts";
import { showValue } from "../../platform/show_value.ts";
import {
  DROP_ONE,
  SELECT_HEAD,
  SELECT_ONE,
  SELECT_QUEUE_NAMES,
  statementsOf,
} from "./inspection_statements.ts";
import { readMinutes, WorkerRows } from "./reports.ts";
import { RowCounts } from "./row_counts.ts";
import type { Session } from "./session.ts";
import { FLUSH } from "./queue_state.ts";
import { type Entry, insert } from "./storing.ts";

/** Maximum of queues in an overview. */
const MAX_OVERVIEW = 1_000;

/** Values of the column `state`. */
const NUMBERS: Readonly<Record<MessageState, number>> = {
  ready: READY,
  delayed: DELAYED,
  unacknowledged: TAKEN,
  dead: DEAD,
};

/** A row of a page. */
interface Row {
  readonly id: number;
  readonly rank: number;
  readonly due: number;
  readonly owner: number | null;
  readonly size: number;
  readonly data: Uint8Array;
  readonly tail: Uint8Array | null;
}

/**
 * Inspector of a `SqliteBroker`. It uses the connection of the broker, and statements that each read a
 * bounded number of rows.
 */
export class SqliteInspector extends BaseInspector {
  readonly #session: Session;
  readonly #toEntry: (message: Message) => Entry;
  readonly #counts: RowCounts;
  readonly #workers: WorkerRows;

  /**
   * Stores the broker.
   *
   * @param host The broker.
   * @param session Its session.
   * @param toEntry Makes the row of a message.
   */
  constructor(host: InspectionHost, session: Session, toEntry: (message: Message) => Entry) {
    super(host);
    this.#session = session;
    this.#toEntry = toEntry;
    this.#counts = new RowCounts(session.connection);
    this.#workers = new WorkerRows(session.connection, session.heartbeatTimeout);
  }

  /** Counts the messages of all queues. */
  protected override async readOverview(
    { signal, queueNames = [] }: OverviewOptions,
  ): Promise<Overview> {
    const named = queueNames.map((name) => toCanonicalQueueName(name, "look at queue"));
    const stored = await this.#read(() =>
      this.#session.connection.statement(SELECT_QUEUE_NAMES).all()
    ) as { name: string }[];
    // Another program can write any name, but nothing sends to it or reads from it.
    const found = stored.map(({ name }) => name).filter((name) =>
      whatIsWrongWithQueueName(name) === undefined
    );
    const all = new Set([...this.host.queues, ...named, ...found]);
    const queues: QueueOverview[] = [];
    for (const name of [...all].toSorted().slice(0, MAX_OVERVIEW)) {
      signal?.throwIfAborted();
      queues.push(await this.#overviewOf(name));
    }
    return { now: this.#now, queues, isPartial: all.size > MAX_OVERVIEW };
  }

  /** Has nothing to close: the connection is that of the broker. */
  override async close(): Promise<void> {}

  protected override async read(
    query: CheckedQuery,
    after: string | undefined,
    count: number,
  ): Promise<StoredPage> {
    const { queueName, state, order } = query;
    const statements = statementsOf(state);
    const start = startOf(statements.order, after, query);
    const { connection, queues } = this.#session;
    const [queue, rows] = await this.#read(() => {
      const id = queues.find(queueName);
      if (id === undefined) return [undefined, []] as const;
      const found = connection.statement(statements[order]).all(id, ...start, count + 1);
      return [id, found as unknown as Row[]] as const;
    });
    return {
      entries: rows.slice(0, count).map((row) =>
        toStored({ queueName, state }, row, statements.order)
      ),
      isLast: rows.length <= count,
      total: await this.#counts.of(queue, state),
      now: this.#now,
    };
  }

  protected override async readOne(ref: MessageRef): Promise<StoredEntry | undefined> {
    const id = Number(ref.key);
    if (!Number.isSafeInteger(id)) return undefined;
    const row = await this.#read(() => {
      const queue = this.#session.queues.find(ref.queueName);
      const { connection } = this.#session;
      return connection.statement(SELECT_ONE).get(id, queue ?? null, NUMBERS[ref.state]);
    }) as unknown as Row | undefined;
    if (!row) return undefined;
    const { length } = row.data;
    return toStored(ref, { ...row, size: length, tail: null }, ["id"]);
  }

  protected override async replace(ref: MessageRef, message: Message): Promise<boolean> {
    const { connection, queues } = this.#session;
    const entry = this.#toEntry(message);
    const isDone = await connection.writer.transact(() => {
      if (!this.#drop(ref)) return false;
      insert(connection, queues.get(entry.queueName), entry);
      return true;
    }).catch((error) => {
      queues.forget(); // a new queue was rolled back
      throw error;
    });
    if (isDone) connection.notifier.notify();
    return isDone;
  }

  protected override async removeMany(refs: readonly MessageRef[]): Promise<boolean[]> {
    const { connection } = this.#session;
    await connection.open();
    const removed = await connection.writer.transact(() => refs.map((ref) => this.#drop(ref)));
    connection.notifier.notify(); // wakes `join`
    return removed;
  }

  protected override async removeAll(
    queueName: string,
    state: MessageState,
    signal: AbortSignal | undefined,
  ): Promise<number> {
    const { connection, queues } = this.#session;
    const id = await this.#read(() => queues.find(queueName));
    if (id === undefined) return 0;
    const sql = FLUSH[state];
    let count = 0;
    let dropped: number;
    do {
      signal?.throwIfAborted();
      dropped = await connection.writer.transact(() =>
        Number(connection.statement(sql).run(id).changes)
      );
      count += dropped;
    } while (dropped > 0);
    connection.notifier.notify();
    this.#counts.forget();
    return count;
  }

  protected override readWorkers(): Promise<WorkerReport[]> {
    return this.#read(() => this.#workers.read());
  }

  protected override readHistory(minutes: number): Promise<HistoryMinute[]> {
    return this.#read(() => readMinutes(this.#session.connection, minutes, this.#now));
  }

  get #now(): number {
    return this.#session.clock.now();
  }

  #read<T>(statements: () => T): Promise<T> {
    return this.#session.connection.read(statements);
  }

  /** Drops a message inside a transaction. */
  #drop({ queueName, state, key }: MessageRef): boolean {
    const id = Number(key);
    if (!Number.isSafeInteger(id)) return false;
    const { connection, queues } = this.#session;
    const args = [id, queues.find(queueName) ?? null, NUMBERS[state]];
    return Number(connection.statement(DROP_ONE).run(...args).changes) === 1;
  }

  async #overviewOf(queueName: string): Promise<QueueOverview> {
    const { connection, queues } = this.#session;
    const [id, head] = await this.#read(() => {
      const found = queues.find(queueName);
      if (found === undefined) return [];
      const row = connection.statement(SELECT_HEAD).get(found) as { since: number } | undefined;
      return [found, row?.since];
    });
    return {
      queueName,
      ready: await this.#counts.of(id, "ready"),
      delayed: await this.#counts.of(id, "delayed"),
      unacknowledged: await this.#counts.of(id, "unacknowledged"),
      dead: await this.#counts.of(id, "dead"),
      headSince: head,
      consumers: undefined,
    };
  }
}

/** Values of the columns of an index after which a page begins. */
function startOf(
  columns: readonly string[],
  after: string | undefined,
  { order, since, before, state }: CheckedQuery,
): number[] {
  if (after !== undefined) {
    const values = after.split(",").map(Number);
    if (values.length === columns.length && values.every(Number.isSafeInteger)) return values;
    throw new RangeError(`Cannot go on after ${showValue(after)}: it is no end of a page`);
  }
  const isNewest = order === "newest";
  const edge = isNewest ? Number.MAX_SAFE_INTEGER : Number.MIN_SAFE_INTEGER;
  const time = isNewest ? before : since;
  const isByTime = state === "dead" || state === "delayed";
  return columns.map((column) =>
    column === "due" && isByTime && time !== undefined ? Math.ceil(time) : edge
  );
}

function toStored(
  { queueName, state }: Pick<MessageRef, "queueName" | "state">,
  { id, due, size, data, tail, ...others }: Row,
  order: readonly string[],
): StoredEntry {
  const values: Readonly<Record<string, unknown>> = { ...others, id, due };
  return {
    ref: { queueName, state, key: String(id) },
    data,
    ...(tail !== null && { tail }),
    size,
    ...(state === "dead" && { diedAt: due }),
    ...(state === "delayed" && { eta: due }),
    cursor: order.map((column) => values[column]).join(","),
  };
}
