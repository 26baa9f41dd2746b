import {
  fileOf,
  isInTransaction,
  type SqliteDatabase,
  type SqliteStatement,
  type SqliteValue,
} from "../../clients/sqlite/database.ts";
import type { Broker } from "../../core/broker.ts";
import type { EnqueueOptions } from "../../core/actor_options.ts";
import type { Message } from "../../core/message.ts";
import type { Session } from "./session.ts";
import { INSERT_BY_NAME, INSERT_QUEUE, SELECT_QUEUE } from "./statements.ts";
import { type Entry, insert, type StatementSource } from "./storing.ts";

/** A transaction of `SqliteBroker.transaction`, valid until its function returns. */
export interface SqliteTransaction {
  /** The database, for statements of the application. */
  readonly database: SqliteDatabase;

  /**
   * Stores a message when the transaction commits.
   *
   * @param message The message.
   * @param options Its delay, and the message that caused it.
   * @returns The message as it is stored.
   * @throws {TypeError} If a `beforeEnqueue` hook is asynchronous, or the transaction is over.
   * @throws {MiddlewareError} If a middleware refuses it.
   */
  enqueue<M extends Message>(message: M, options?: EnqueueOptions): M;
}

/** A statement for the application to run. */
export interface SqliteInsertStatement {
  /** Its text, with `?` as placeholders. */
  readonly sql: string;
  /** Values of the placeholders. */
  readonly parameters: readonly SqliteValue[];
}

/** Methods of the broker that {@linkcode Transactions} uses. */
export interface TransactionSteps {
  /** Prepares a message, and calls its hooks. */
  prepare<M extends Message>(
    message: M,
    options: EnqueueOptions,
  ): [queued: M, delay: number | undefined];
  /** Makes its row. */
  toEntry(message: Message): Entry;
}

/** A stored message, and its delay. */
type Stored = readonly [message: Message, delay: number | undefined];

const SAVEPOINT = "dramatiq_enqueue";
const FILE_ID = "select value from dramatiq_meta where name='file'";

/** Stores messages in one transaction with data of the application. */
export class Transactions {
  readonly #broker: Broker;
  readonly #session: Session;
  readonly #steps: TransactionSteps;
  /** Connections of the application whose file was checked, with their statements. */
  readonly #known: WeakMap<SqliteDatabase, StatementSource> = new WeakMap();
  #isRunning = false;

  constructor(broker: Broker, session: Session, steps: TransactionSteps) {
    this.#broker = broker;
    this.#session = session;
    this.#steps = steps;
  }

  /** Runs a function in a transaction, see `SqliteBroker.transaction`. */
  run<T>(run: (transaction: SqliteTransaction) => T): Promise<T> {
    if (this.#isRunning) {
      throw new TypeError("Cannot begin a transaction: it is called inside another one");
    }
    return this.#run(run);
  }

  async #run<T>(run: (transaction: SqliteTransaction) => T): Promise<T> {
    const { connection, queues } = this.#session;
    const sent: Stored[] = [];
    let thrown: { readonly error: unknown } | undefined;
    const result = await connection.writer.transactAlone(() => {
      try {
        return this.#call(run, sent);
      } catch (error) {
        thrown = { error };
        throw error;
      }
    }).catch((error) => {
      queues.forget();
      throw thrown === undefined ? error : thrown.error; // an error of the function, unchanged
    });
    if (sent.length > 0) connection.notifier.notify();
    for (const [message, delay] of sent) await this.#broker.emit("afterEnqueue", message, delay);
    return result;
  }

  #call<T>(run: (transaction: SqliteTransaction) => T, sent: Stored[]): T {
    const { connection, queues } = this.#session;
    let isOver = false;
    const transaction: SqliteTransaction = {
      database: connection.database!,
      enqueue: (message, options = {}) => {
        if (isOver) throw new TypeError("Cannot enqueue in a transaction: it is over");
        const [queued, delay] = this.#steps.prepare(message, options);
        const entry = this.#steps.toEntry(queued);
        insert(connection, queues.get(entry.queueName), entry);
        sent.push([queued, delay]);
        return queued;
      },
    };
    this.#isRunning = true;
    try {
      const result = run(transaction);
      if (!(result instanceof Promise)) return result;
      result.catch(() => {}); // the TypeError is reported instead
      throw new TypeError(
        "Cannot commit the transaction: its function returned a promise, and a transaction does not " +
          "wait",
      );
    } finally {
      this.#isRunning = false;
      isOver = true;
    }
  }

  /** Stores messages in a transaction of the application, see `SqliteBroker.enqueueIn`. */
  enqueueIn<M extends Message>(
    database: SqliteDatabase,
    messages: readonly M[],
    options: EnqueueOptions,
  ): M[] {
    if (isInTransaction(database) === false) {
      throw new TypeError("Cannot enqueue in the database: no transaction is open there");
    }
    const source = this.#known.get(database) ?? this.#checkFile(database);
    const stored = messages.map((message) => this.#steps.prepare(message, options));
    const entries = stored.map(([message]) => this.#steps.toEntry(message));
    database.exec(`savepoint ${SAVEPOINT}`);
    try {
      for (const entry of entries) insert(source, queueIn(source, entry.queueName), entry);
      database.exec(`release ${SAVEPOINT}`);
    } catch (error) {
      database.exec(`rollback to ${SAVEPOINT}`);
      database.exec(`release ${SAVEPOINT}`);
      throw this.#session.connection.translate(error);
    }
    this.#session.connection.notifier.notifyAfter(() => isInTransaction(database));
    for (const [message, delay] of stored) void this.#broker.emit("afterEnqueue", message, delay);
    return stored.map(([message]) => message);
  }

  /** Makes the statement that stores a message, see `SqliteBroker.insertStatement`. */
  async insertStatement(
    message: Message,
    options: EnqueueOptions,
  ): Promise<SqliteInsertStatement> {
    const [queued] = this.#steps.prepare(message, options);
    const { queueName, state, rank, due, messageId, actorName, stamp, body } = this.#steps
      .toEntry(queued);
    const { connection, queues } = this.#session;
    // The statement finds the queue by its name: that must be stored first.
    await connection.open();
    if (queues.find(queueName) === undefined) {
      await connection.writer.transact(() => void queues.get(queueName)).catch((error) => {
        queues.forget();
        throw error;
      });
    }
    return {
      sql: INSERT_BY_NAME,
      parameters: [queueName, state, rank, due, messageId, actorName, stamp, body],
    };
  }

  /** Checks that a database is that of the broker, and returns its statements. */
  #checkFile(database: SqliteDatabase): StatementSource {
    const { connection } = this.#session;
    const file = fileOf(database);
    let id: unknown;
    try {
      id = (database.prepare(FILE_ID).get() as { value: unknown }).value;
    } catch (error) {
      throw new TypeError(
        `Cannot enqueue in the database: it has no tables of a broker; call connect() of one on ${
          file ?? "it"
        } first`,
        { cause: error },
      );
    }
    const own = connection.database?.prepare(FILE_ID).get() as { value: unknown } | undefined;
    const isSame = own === undefined ? file === connection.path : own.value === id;
    if (!isSame) {
      throw new TypeError(
        `Cannot enqueue in the database: its file is ${file}, and that of the broker ` +
          `${connection.path}`,
      );
    }
    const source = statementsOf(database);
    this.#known.set(database, source);
    return source;
  }
}

/** Prepares and caches statements on a connection of the application. */
function statementsOf(database: SqliteDatabase): StatementSource {
  const statements = new Map<string, SqliteStatement>();
  return {
    statement(sql) {
      const known = statements.get(sql);
      if (known !== undefined) return known;
      const statement = database.prepare(sql);
      statements.set(sql, statement);
      return statement;
    },
  };
}

/** The id of a queue, not cached, since the application may roll back. */
function queueIn(source: StatementSource, name: string): number {
  const row = source.statement(SELECT_QUEUE).get(name) as { id: number } | undefined | null;
  return row?.id ?? Number(source.statement(INSERT_QUEUE).run(name).lastInsertRowid);
}
