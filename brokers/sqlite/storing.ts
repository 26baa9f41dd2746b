import type { SqliteConnection } from "../../clients/sqlite/connection.ts";
import type { SqliteStatement } from "../../clients/sqlite/database.ts";
import { DELAYED, LONGEST_ROW_BODY, READY } from "../../clients/sqlite/schema.ts";
import type { WriteJob } from "../../clients/sqlite/writer.ts";
import type { Broker } from "../../core/broker.ts";
import type { Encoded } from "../../encoders/encoder.ts";
import { allStored } from "../../core/delivery_state.ts";
import { RequestRejected } from "../../core/errors.ts";
import type { Message } from "../../core/message.ts";
import { canonicalQueueName } from "../../core/queue_names.ts";
import type { SqliteDelivery } from "./delivery.ts";
import type { QueueIds, Session } from "./session.ts";
import { INSERT, INSERT_BODY, REQUEUE, SET_UNIQUE_KEY } from "./statements.ts";

/** The columns of a message. */
export interface Entry {
  readonly queueName: string;
  readonly state: number;
  readonly rank: number;
  readonly due: number;
  readonly messageId: string;
  readonly actorName: string | null;
  readonly stamp: number;
  readonly body: Encoded;
  /** Set if the message may have a claim. */
  readonly uniqueKey: unknown;
}

/** Maximum of bytes in a value of SQLite. */
const LONGEST_BODY = 1_000_000_000;
/** Maximum of messages in one transaction. */
const MAX_ENTRIES = 1_000;
/** Length of the bodies of one transaction, in characters or bytes, after which it takes no more. */
const MAX_LENGTH = 4_000_000;

/**
 * Makes the row of a message. A delayed one is stored as it will be delivered, on its own queue and
 * without an eta, so that promoting it only changes its state.
 *
 * @param message The message.
 * @param now The time, which never goes back.
 * @param rank Smaller ranks are received first.
 * @throws {RequestRejected} If it is larger than SQLite can store.
 * @throws {TypeError} If it cannot be encoded.
 */
export function toEntry(message: Message, now: number, rank: number): Entry {
  const queueName = canonicalQueueName(message.queueName);
  const eta = message.option("eta");
  const isDelayed = typeof eta === "number" && eta > now;
  const isStoredAsIs = queueName === message.queueName && !isDelayed;
  const stored = isStoredAsIs ? message : message.copy({ queueName, options: { eta: undefined } });
  const body = stored.encode();
  assertStorable(message, body);
  return {
    queueName,
    state: isDelayed ? DELAYED : READY,
    rank,
    due: isDelayed ? Math.min(Math.ceil(eta), Number.MAX_SAFE_INTEGER) : now,
    messageId: message.messageId,
    actorName: message.actorName || null,
    stamp: Number.isSafeInteger(message.messageTimestamp) ? message.messageTimestamp : 0,
    body,
    uniqueKey: message.option("uniqueKey"),
  };
}

/** Rank of a message, from its priority: smaller ranks are received first. */
export function rankOf(broker: Broker, message: Message, maxPriority: number | undefined): number {
  if (maxPriority === undefined) return 0;
  const priority = broker.getOption<unknown>(message, "brokerPriority", 0);
  if (!Number.isSafeInteger(priority) || (priority as number) <= 0) return 0;
  return -Math.min(priority as number, maxPriority);
}

/** Refuses a body that is too long, before any transaction begins. */
export function assertStorable({ messageId, actorName }: Message, body: Encoded): void {
  if (body.length * 3 <= LONGEST_BODY) return;
  const bytes = typeof body === "string" ? new TextEncoder().encode(body).length : body.length;
  if (bytes <= LONGEST_BODY) return;
  throw new RequestRejected(
    `Cannot store message ${messageId} of ${actorName}: it has ${bytes} bytes, and SQLite stores ` +
      `${LONGEST_BODY} at most`,
  );
}

/** A connection of this library, or of the application, with its prepared statements. */
export interface StatementSource {
  /** Returns a statement, prepared on first use. */
  statement(sql: string): SqliteStatement;
}

/**
 * Inserts a message, inside a transaction.
 *
 * @param source The connection.
 * @param queue The id of its queue.
 * @param entry The message.
 */
export function insert(source: StatementSource, queue: number, entry: Entry): void {
  const { state, rank, due, messageId, actorName, stamp, body, uniqueKey } = entry;
  const isLong = body.length > LONGEST_ROW_BODY;
  const row = source.statement(INSERT)
    .run(queue, state, rank, due, messageId, actorName, stamp, isLong ? null : body);
  if (isLong) source.statement(INSERT_BODY).run(row.lastInsertRowid, body);
  if (uniqueKey !== undefined) {
    source.statement(SET_UNIQUE_KEY).run(String(uniqueKey), row.lastInsertRowid);
  }
}

/** Makes a claimed delayed message ready. */
export async function promote(
  { connection, lease }: Session,
  delivery: SqliteDelivery,
): Promise<void> {
  const { owner } = lease;
  await connection.writer.transact(() => {
    connection.statement(REQUEUE).run(delivery.id, owner ?? null);
  });
  delivery.isPromoted = true;
  connection.notifier.notify();
}

/** Messages of one turn of the event loop, which are stored in one transaction. */
class StoreBatch implements WriteJob {
  readonly #connection: SqliteConnection;
  readonly #queues: QueueIds;
  readonly #entries: Entry[] = [];
  readonly #stored: PromiseWithResolvers<void> = Promise.withResolvers();
  #length = 0;
  #hasRun = false;

  constructor(connection: SqliteConnection, queues: QueueIds) {
    this.#connection = connection;
    this.#queues = queues;
  }

  /** True if another message may be added. */
  get isOpen(): boolean {
    return !this.#hasRun && this.#entries.length < MAX_ENTRIES && this.#length < MAX_LENGTH;
  }

  /**
   * Adds a message.
   *
   * @returns Resolves when the batch is committed.
   */
  add(entry: Entry): Promise<void> {
    this.#entries.push(entry);
    this.#length += entry.body.length;
    return this.#stored.promise;
  }

  /** Inserts the messages. */
  run(): void {
    this.#hasRun = true;
    const queues = this.#queues;
    for (const entry of this.#entries) {
      insert(this.#connection, queues.get(entry.queueName), entry);
    }
  }

  /** Resolves the promises of `add`, and notifies waiting consumers. */
  committed(): void {
    this.#stored.resolve();
    this.#connection.notifier.notify();
  }

  /** Rejects the promises of `add`. */
  failed(error: unknown): void {
    this.#hasRun = true; // it may fail before it has run
    this.#queues.forget();
    this.#stored.reject(error);
  }
}

/** Stores the messages of a broker, those of one turn of the event loop in one transaction. */
export class MessageStore {
  readonly #session: Session;
  readonly #rankOf: (message: Message) => number;
  #batch: StoreBatch | undefined;
  /** The time of the last message; it never goes back, so that messages stay in order. */
  #now = -Infinity;

  /**
   * Stores nothing yet.
   *
   * @param session The broker.
   * @param rankOf Returns the rank of a message; smaller ranks are received first.
   */
  constructor(session: Session, rankOf: (message: Message) => number) {
    this.#session = session;
    this.#rankOf = rankOf;
  }

  /** Makes the row of a message, see {@linkcode toEntry}. */
  toEntry(message: Message): Entry {
    this.#now = Math.max(this.#now, Math.trunc(this.#session.clock.now()));
    return toEntry(message, this.#now, this.#rankOf(message));
  }

  /** Stores messages, all or none: one that cannot be encoded throws before any is stored. */
  store(messages: readonly Message[]): Promise<void> {
    if (messages.length === 1) return this.#add(this.toEntry(messages[0]!));
    const entries = messages.map((message) => this.toEntry(message));
    return allStored([...new Set(entries.map((entry) => this.#add(entry)))]);
  }

  /** Adds a message to the open batch. @returns The promise of the batch. */
  #add(entry: Entry): Promise<void> {
    if (this.#batch?.isOpen !== true) {
      const { connection, queues } = this.#session;
      this.#batch = new StoreBatch(connection, queues);
      connection.writer.add(this.#batch);
    }
    return this.#batch.add(entry);
  }
}
