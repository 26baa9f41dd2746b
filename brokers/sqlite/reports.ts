import type { SqliteConnection } from "../../clients/sqlite/connection.ts";
import type { ActorCounts, HistoryMinute, WorkerReport } from "../../core/inspection_reports.ts";
import type { CollectedReport } from "../../core/report_collector.ts";
import { decodeReports, silentWorker } from "../../core/report_format.ts";
import { minuteOf, sumMinutes } from "../../core/report_source.ts";
import { hasProcessEnded, processNamespace } from "../../platform/process.ts";
import {
  ADD_MINUTE,
  PURGE_MINUTES,
  SELECT_MINUTES,
  SELECT_REPORTS,
  SET_REPORT,
} from "./inspection_statements.ts";

/** Retention time of the history, in milliseconds. */
const HISTORY = 7_200_000;
const MINUTE = 60_000;

/**
 * Stores the report of a worker, unless it is empty, and adds its counts to the history, inside a
 * transaction.
 *
 * @param connection The connection.
 * @param owner Id of the worker's row.
 * @param now The time.
 * @param collected The report and the counts.
 */
export function storeReport(
  connection: SqliteConnection,
  owner: number,
  now: number,
  collected: CollectedReport,
): void {
  if (collected.report !== "") replaceReport(connection, owner, now, collected);
  else addCounts(connection, now, collected);
}

/** As {@linkcode storeReport}, but an empty report removes the stored one. */
export function replaceReport(
  connection: SqliteConnection,
  owner: number,
  now: number,
  collected: CollectedReport,
): void {
  connection.statement(SET_REPORT).run(collected.report || null, Math.trunc(now), owner);
  addCounts(connection, now, collected);
}

function addCounts(connection: SqliteConnection, now: number, { counts }: CollectedReport): void {
  if (counts === undefined) return;
  const time = Math.trunc(now);
  const add = connection.statement(ADD_MINUTE);
  for (const [name, { done, failed, retried, dead }] of Object.entries(counts)) {
    add.run(minuteOf(time), name, done, failed, retried, dead);
  }
  connection.statement(PURGE_MINUTES).run(time - HISTORY);
}

/** Row of a worker. */
interface WorkerRow {
  readonly id: number;
  readonly beat: number;
  readonly host: string;
  readonly pid: number;
  readonly label: string;
  readonly started: number;
  readonly report: string | null;
  readonly reported: number | null;
}

/** The last heartbeat of a worker, and when an inspector first saw it. */
interface Sighting {
  readonly beat: number;
  readonly seenAt: number;
}

/** Reads the workers of a file. Heartbeats are counters: that of a dead worker does not change. */
export class WorkerRows {
  readonly #connection: SqliteConnection;
  readonly #heartbeatTimeout: number;
  readonly #sightings: Map<number, Sighting> = new Map();
  readonly #host: string | undefined = processNamespace();

  /**
   * Stores the connection.
   *
   * @param connection The connection.
   * @param heartbeatTimeout Milliseconds without a heartbeat after which a worker counts as dead.
   */
  constructor(connection: SqliteConnection, heartbeatTimeout: number) {
    this.#connection = connection;
    this.#heartbeatTimeout = heartbeatTimeout;
  }

  /** Reads the living workers. */
  read(): WorkerReport[] {
    const rows = this.#connection.statement(SELECT_REPORTS).all() as unknown as WorkerRow[];
    const present = new Set(rows.map(({ id }) => id));
    for (const id of this.#sightings.keys()) if (!present.has(id)) this.#sightings.delete(id);
    return rows.filter((row) => this.#isAlive(row)).flatMap((row) => {
      const { label, started, report, reported } = row;
      if (report === null) return [silentWorker(label, started)];
      return decodeReports(report, reported ?? started);
    });
  }

  #isAlive({ id, beat, host, pid }: WorkerRow): boolean {
    if (host === this.#host && hasProcessEnded(pid)) return false;
    const now = performance.now();
    const sighting = this.#sightings.get(id);
    if (sighting?.beat === beat) return now - sighting.seenAt < this.#heartbeatTimeout;
    this.#sightings.set(id, { beat, seenAt: now });
    return true;
  }
}

/** Reads the last minutes of the history. */
export function readMinutes(
  connection: SqliteConnection,
  minutes: number,
  now: number,
): HistoryMinute[] {
  const since = minuteOf(now) - (minutes - 1) * MINUTE;
  const rows = connection.statement(SELECT_MINUTES).all(since) as unknown as (ActorCounts & {
    readonly minute: number;
    readonly actor: string;
  })[];
  const parts = rows.map(({ minute, actor, done, failed, retried, dead }) => ({
    at: minute,
    actors: { [actor]: { done, failed, retried, dead } },
  }));
  return sumMinutes(parts, minutes, now);
}
