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
 * Makes the parts of a broker, none of which uses the connection yet.
 *
 * @param connection The connection.
 * @param clock The time of the broker.
 * @param options When a worker counts as dead.
 * @param sources Workers that report.
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

/** The ids of queues by their names. */
export class QueueIds {
  readonly #connection: SqliteConnection;
  readonly #ids: Map<string, number> = new Map();
  #epoch = 0;

  constructor(connection: SqliteConnection) {
    this.#connection = connection;
  }

  /** Finds a queue; `undefined` if nothing was ever sent to it. */
  find(name: string): number | undefined {
    if (this.#epoch !== this.#connection.epoch) this.forget();
    const known = this.#ids.get(name);
    if (known !== undefined) return known;
    const row = this.#connection.statement(SELECT_QUEUE).get(name) as { id: number } | undefined;
    if (!row) return undefined;
    this.#ids.set(name, row.id);
    return row.id;
  }

  /** Finds a queue, or makes it: inside a transaction. */
  get(name: string): number {
    const known = this.find(name);
    if (known !== undefined) return known;
    const id = Number(this.#connection.statement(INSERT_QUEUE).run(name).lastInsertRowid);
    this.#ids.set(name, id);
    return id;
  }

  /** Forgets all: the transaction that made some of them was rolled back. */
  forget(): void {
    this.#ids.clear();
    this.#epoch = this.#connection.epoch;
  }
}
