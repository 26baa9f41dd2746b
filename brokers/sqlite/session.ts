import type { SqliteConnection } from "../../clients/sqlite/connection.ts";
import type { ReportSource } from "../../core/report_source.ts";
import type { Clock } from "../../platform/clock.ts";
import type { CheckedOptions } from "./options.ts";
import { INSERT_QUEUE, SELECT_QUEUE } from "./statements.ts";
import { type LeasedConsumer, WorkerLease } from "./worker_lease.ts";

/** Objects shared by the parts of one broker. */
export interface Session {
  readonly connection: SqliteConnection;
  readonly clock: Clock;
  readonly queues: QueueIds;
  readonly lease: WorkerLease;
  readonly consumers: Set<LeasedConsumer & { close(): Promise<void> }>;
  /** Milliseconds without a heartbeat after which a worker counts as dead. */
  readonly heartbeatTimeout: number;
}

/**
 * Creates the session of a broker, without using the connection.
 *
 * @param connection The connection.
 * @param clock The clock of the broker.
 * @param options Options of the broker.
 * @param sources Workers whose reports are stored.
 */
export function openSession(
  connection: SqliteConnection,
  clock: Clock,
  options: CheckedOptions,
  sources: ReadonlySet<ReportSource>,
): Session {
  const consumers: Session["consumers"] = new Set();
  const lease = new WorkerLease(connection, clock, options, consumers, sources);
  const { heartbeatTimeout } = options;
  const queues = new QueueIds(connection);
  return { connection, clock, consumers, lease, queues, heartbeatTimeout };
}

/** Cache of the ids of queues by name. */
export class QueueIds {
  readonly #connection: SqliteConnection;
  readonly #ids: Map<string, number> = new Map();
  #epoch = 0;

  constructor(connection: SqliteConnection) {
    this.#connection = connection;
  }

  /** Returns the id of a queue; `undefined` if nothing was ever sent to it. */
  find(name: string): number | undefined {
    if (this.#epoch !== this.#connection.epoch) this.forget();
    const known = this.#ids.get(name);
    if (known !== undefined) return known;
    const row = this.#connection.statement(SELECT_QUEUE).get(name) as { id: number } | undefined;
    if (!row) return undefined;
    this.#ids.set(name, row.id);
    return row.id;
  }

  /** Returns the id of a queue, and creates the queue if necessary: inside a transaction. */
  get(name: string): number {
    const known = this.find(name);
    if (known !== undefined) return known;
    const id = Number(this.#connection.statement(INSERT_QUEUE).run(name).lastInsertRowid);
    this.#ids.set(name, id);
    return id;
  }

  /** Empties the cache: after the rollback of a transaction that may have created queues. */
  forget(): void {
    this.#ids.clear();
    this.#epoch = this.#connection.epoch;
  }
}
