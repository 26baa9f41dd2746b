import { defaultMiddleware } from "../../middleware/defaults.ts";
import { IN_MEMORY } from "../../clients/sqlite/address.ts";
import { fileOf, type SqliteDatabase } from "../../clients/sqlite/database.ts";
import type { MaintenanceTask } from "../../clients/sqlite/maintenance.ts";
import {
  acquireConnection,
  type ConnectionHandle,
  setConnectionOf,
} from "../../clients/sqlite/handles.ts";
import { SqliteControlStore } from "../../control/backends/sqlite.ts";
import { Broker } from "../../core/broker.ts";
import type { JoinOptions } from "../../core/join.ts";
import type { EnqueueOptions } from "../../core/actor_options.ts";
import { checkPrefetch, type ConsumeOptions, type Consumer } from "../../core/consumer.ts";
import type { UniqueSteps } from "../../core/claim_entries.ts";
import type { ControlChange, ControlOutcome } from "../../core/control_store.ts";
import type { ReadDeadLettersOptions, StoredDeadLetter } from "../../core/dead_letters.ts";
import { closedFor } from "../../core/delivery_state.ts";
import type { Inspector } from "../../core/inspection.ts";
import type { ReportSource } from "../../core/report_source.ts";
import type { Message } from "../../core/message.ts";
import type { MessageProxy } from "../../core/message_proxy.ts";
import { assertQueueOrDelayQueueName, toCanonicalQueueName } from "../../core/queue_names.ts";
import { purgeOfDeadLetters, readDeadLetters } from "./dead_letters.ts";
import { SqliteDelivery } from "./delivery.ts";
import { sourceOf } from "./message_source.ts";
import { SqliteInspector } from "./inspector.ts";
import { checkOptions, type SqliteBrokerOptions } from "./options.ts";
import { QueueConsumer } from "./queue_consumer.ts";
import { countMessages, flushQueue, joinQueue, type SqliteMessageCounts } from "./queue_state.ts";
import { openSession, type Session } from "./session.ts";
import { MessageStore, promote, rankOf } from "./storing.ts";
import {
  type SqliteInsertStatement,
  type SqliteTransaction,
  Transactions,
} from "./transactions.ts";
import { storeWithChanges, uniqueStepsOf } from "./unique_messages.ts";

/**
 * A durable broker in one file, without a server: for programs on one machine, with any number of
 * processes. It uses the SQLite of the runtime.
 *
 * Messages sent in one turn of the event loop are stored in one transaction; acknowledgements share
 * one with the next receive. A waiting worker is notified of new messages within milliseconds, also
 * of those of other processes. Messages of a dead worker are requeued within `heartbeatTimeout` and a
 * second, or within a second if its process is known to have ended.
 *
 * Delivery is at least once, as with all brokers.
 *
 * @example A queue in a file
 * ```ts
 * import { actor, setBroker, SqliteBroker } from "@dq/dramatiq";
 *
 * const broker = new SqliteBroker({ path: ":memory:" }); // "tasks.db" for a file
 * setBroker(broker);
 * const add = actor(function add(a: number, b: number) {
 *   return a + b;
 * });
 * await add.send(1, 2);
 * await broker.close();
 * ```
 */
export class SqliteBroker extends Broker {
  /** True if the database is in the memory of this process. */
  override readonly isInMemory: boolean;
  /** @internal */
  override readonly storesWithChanges: boolean = true;
  readonly #handle: ConnectionHandle;
  readonly #session: Session;
  readonly #purge: MaintenanceTask;
  readonly #transactions: Transactions;
  readonly #store: MessageStore;
  #controlStore: SqliteControlStore | undefined;
  #closing: Promise<void> | undefined;
  #isClosed = false;

  /**
   * Stores the options; the first use opens the file.
   *
   * @param options Where the database is, and how to use it.
   * @throws {TypeError} If an option cannot be used.
   * @throws {RangeError} If a number is out of range.
   */
  constructor(options: SqliteBrokerOptions) {
    const checked = checkOptions(options);
    super(options, defaultMiddleware);
    this.#handle = acquireConnection(checked.address);
    const { connection } = this.#handle;
    setConnectionOf(this, connection);
    const { database, path } = checked.address;
    this.isInMemory = database === undefined ? path === IN_MEMORY : fileOf(database) === undefined;
    this.#session = openSession(connection, this.clock, checked, this.reportSources);
    const priority = (message: Message) => rankOf(this, message, checked.maxPriority);
    this.#store = new MessageStore(this.#session, priority);
    this.#transactions = new Transactions(this, this.#session, {
      prepare: (message, options) => this.prepareNow(message, options),
      toEntry: (message) => this.#store.toEntry(message),
    });
    this.#purge = purgeOfDeadLetters(connection, this.clock, checked.deadMessageTtl);
    connection.maintain(this.#purge);
  }

  /** The control store, in the same file. */
  override get controlStore(): SqliteControlStore {
    this.#controlStore ??= new SqliteControlStore({ broker: this, clock: this.clock });
    return this.#controlStore;
  }

  /** Milliseconds for which heartbeats could not be written; 0 if they are. */
  override get silentFor(): number {
    return this.#session.lease.silentFor;
  }

  /**
   * Opens the file now, rather than with the first use.
   *
   * @throws {BrokerConnectionError} If it cannot be opened.
   */
  override async connect(): Promise<void> {
    this.#assertOpen("connect");
    await this.#session.connection.read(() => {});
  }

  /**
   * Opens a consumer. The consumer of a delay queue makes messages that are due ready; it receives them
   * only if middleware has hooks for them.
   *
   * @throws {TypeError} If the queue name is not valid.
   * @throws {RangeError} If the prefetch is not a whole number above 0.
   * @throws {ConnectionClosed} If the broker is closed.
   */
  consume(queueName: string, options: ConsumeOptions = {}): Consumer {
    this.#assertOpen(`consume "${queueName}"`);
    assertQueueOrDelayQueueName(queueName, "consume queue");
    const prefetch = checkPrefetch(queueName, options);
    const openSource = sourceOf(this.#session.connection, this, queueName);
    return new QueueConsumer(queueName, prefetch, this.#session, openSource);
  }

  /**
   * Counts the messages of a queue.
   *
   * @returns Their number in each state.
   * @throws {BrokerConnectionError} If the database cannot be used.
   */
  async getQueueMessageCounts(queueName: string): Promise<SqliteMessageCounts> {
    const canonical = toCanonicalQueueName(queueName, "count the messages of queue");
    return await countMessages(this.#session, canonical);
  }

  /**
   * Drops all messages of a queue, delayed ones and dead letters included. Messages that workers are
   * running run to their end.
   *
   * @throws {BrokerConnectionError} If the database cannot be used.
   */
  async flush(queueName: string): Promise<void> {
    await flushQueue(this.#session, toCanonicalQueueName(queueName, "flush queue"));
  }

  /**
   * Waits until a queue and its delay queue are empty, and no worker of any process has an
   * unacknowledged message of them.
   *
   * @throws {QueueJoinTimeout} If that takes longer than the timeout.
   * @throws {BrokerConnectionError} If the database cannot be used, or the broker is closed.
   * @throws The reason of the signal, if that aborts first.
   */
  async join(queueName: string, options: JoinOptions = {}): Promise<void> {
    const canonical = toCanonicalQueueName(queueName, "join queue");
    const assertOpen = () => this.#assertOpen(`join queue "${queueName}"`);
    await joinQueue(this.#session, canonical, options, assertOpen);
  }

  /**
   * Runs a function in a transaction of its own, which stores messages and all that the function
   * writes, or nothing. Waiting for the lock does not block; the function itself is synchronous, and
   * blocks the event loop.
   *
   * @param run Writes to the database and sends messages. If it throws, the transaction is rolled back.
   * @returns The result of the function, after the commit.
   * @throws {TypeError} If it returns a promise, or is called inside another transaction.
   * @throws {BrokerConnectionError} If the database cannot be used.
   *
   * @example An order, and the message that follows from it
   * ```ts
   * import { actor, SqliteBroker } from "@dq/dramatiq";
   *
   * await using broker = new SqliteBroker({ path: ":memory:" });
   * const sendInvoice = actor((_order: number) => {}, { broker, actorName: "sendInvoice" });
   * await broker.transaction(({ database }) => database.exec("create table orders(id integer)"));
   * await broker.transaction((tx) => {
   *   tx.database.prepare("insert into orders values(?)").run(7);
   *   tx.enqueue(sendInvoice.message(7), { delay: { minutes: 5 } });
   * });
   * ```
   */
  transaction<T>(run: (transaction: SqliteTransaction) => T): Promise<T> {
    this.#assertOpen("begin a transaction");
    return this.#transactions.run(run);
  }

  /**
   * Stores messages inside a transaction that the application has begun on a connection of its own
   * to the same file. They are sent if it commits, and not if it rolls back. `afterEnqueue` hooks run at
   * once, before the commit.
   *
   * @param database The connection of the application.
   * @param messages The messages.
   * @param options Delay and cause of all messages.
   * @returns The messages as they were stored.
   * @throws {TypeError} If no transaction is open there, it is another file, or a `beforeEnqueue` hook
   *   is asynchronous.
   */
  enqueueIn<M extends Message>(
    database: SqliteDatabase,
    messages: readonly M[],
    options: EnqueueOptions = {},
  ): M[] {
    this.#assertOpen("enqueue");
    return this.#transactions.enqueueIn(database, messages, options);
  }

  /**
   * Makes the statement that stores a message, for connections that this library cannot use: those
   * of asynchronous clients, or of other programs. Run it inside a transaction of the application.
   *
   * @param message The message.
   * @param options Its delay, and the message that caused it.
   * @returns The text of the statement, with `?` as placeholders, and its parameters.
   * @throws The same as {@linkcode Broker.enqueue}.
   */
  async insertStatement(
    message: Message,
    options: EnqueueOptions = {},
  ): Promise<SqliteInsertStatement> {
    this.#assertOpen("enqueue");
    return await this.#transactions.insertStatement(message, options);
  }

  /** Opens an inspector, which uses the connection of the broker. */
  override inspect(): Inspector {
    const toEntry = (message: Message) => this.#store.toEntry(message);
    return new SqliteInspector(this.inspectionHost, this.#session, toEntry);
  }

  /** @internal Removes the report of a worker from its row. */
  override async withdrawReport(source: ReportSource): Promise<void> {
    super.withdrawReport(source);
    await this.#session.lease.withdraw(source);
  }

  /** Gives back the messages of its consumers, stores what is pending, and closes the file. */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  /** Stores messages, in one transaction with others of this turn of the event loop. */
  protected store(messages: readonly Message[]): Promise<void> {
    this.#assertOpen("enqueue");
    return this.#store.store(messages);
  }

  /** @internal Stores a message if changes are applied, in one transaction. */
  protected override async storeWith(
    message: Message,
    changes: readonly ControlChange[],
  ): Promise<ControlOutcome> {
    this.#assertOpen("enqueue");
    const entry = this.#store.toEntry(message);
    return await storeWithChanges(this.#session, this.controlStore, entry, changes);
  }

  /** @internal A delayed message keeps its row, so that its delay can be changed there. */
  protected override get uniqueSteps(): UniqueSteps {
    const assertOpen = () => this.#assertOpen("enqueue");
    return { ...super.uniqueSteps, ...uniqueStepsOf(this.#session, this.controlStore, assertOpen) };
  }

  /** Makes a delayed message ready, or stores it again if a hook has changed it. */
  protected override async storeDue(message: Message, delivery: MessageProxy): Promise<void> {
    if (!(delivery instanceof SqliteDelivery) || delivery.message !== delivery.delivered) {
      return await this.store([message]);
    }
    this.#assertOpen("enqueue");
    await promote(this.#session, delivery);
  }

  /** Actors may set the priority of their messages. */
  protected override get ownActorOptions(): readonly string[] {
    return ["brokerPriority"];
  }

  /** Reads dead letters by id: in the order in which they were sent. */
  protected override readDeadLetters(
    queueName: string,
    { pageSize }: ReadDeadLettersOptions,
  ): AsyncIterable<StoredDeadLetter> {
    this.#assertOpen(`read the dead letters of "${queueName}"`);
    return readDeadLetters(this.#session, queueName, pageSize, (one) => this.#store.toEntry(one));
  }

  async #close(): Promise<void> {
    this.#isClosed = true;
    const { connection, consumers, lease } = this.#session;
    await Promise.allSettled([...consumers].map((consumer) => consumer.close()));
    await lease.stop().catch(() => {}); // another worker will find its row dead
    connection.unmaintain(this.#purge);
    await this.#controlStore?.close();
    connection.notifier.notify(); // wakes `join`, which then rejects
    await this.#handle.release();
  }

  #assertOpen(what: string): void {
    if (this.#isClosed) throw closedFor(what);
  }
}
