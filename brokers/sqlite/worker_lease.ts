import type { SqliteConnection } from "../../clients/sqlite/connection.ts";
import type { WriteJob } from "../../clients/sqlite/writer.ts";
import type { Clock, Timer } from "../../platform/clock.ts";
import { ConnectionClosed } from "../../core/errors.ts";
import { Lease } from "../../core/lease.ts";
import { type CollectedReport, ReportCollector } from "../../core/report_collector.ts";
import type { ReportSource } from "../../core/report_source.ts";
import { getLogger } from "../../platform/logging.ts";
import { hasProcessEnded, processId, processNamespace } from "../../platform/process.ts";
import { recover } from "./recovery.ts";
import { replaceReport, storeReport } from "./reports.ts";
import {
  BEAT,
  DELETE_WORKER,
  INSERT_WORKER,
  RECOVER,
  SELECT_BEAT,
  SELECT_WORKERS,
} from "./statements.ts";

const log = /* @__PURE__ */ getLogger("sqlite", "lease");

/** Minimum of heartbeats within a timeout. */
const BEATS_PER_TIMEOUT = 4;
/** Duration of the lease, as a share of the timeout. Other workers count from when they see a heartbeat. */
const OWN_SHARE = 0.8;

/** A consumer whose messages are held by a lease. */
export interface LeasedConsumer {
  /** Fails the consumer: its messages may be another worker's. */
  fail(error: unknown): void;
}

/** Row of a worker. */
interface WorkerRow {
  readonly id: number;
  readonly beat: number;
  readonly host: string;
  readonly pid: number;
  readonly label: string;
}

/** The last heartbeat of another worker, and when it was first seen by monotonic time. */
interface Sighting {
  beat: number;
  seenAt: number;
}

/**
 * The lease of a broker on the messages that its consumers have received: a row with a counter, which
 * each heartbeat increments. Other workers recover its messages when the counter has not changed for
 * `heartbeatTimeout`, by their own monotonic clocks; no two clocks are compared.
 *
 * none ─(first consumer)▶ held ─(heartbeats fail, or the row was removed)▶ lost ─▶ none
 *
 * Each lease has a row and thus an id of its own: the owner in claims and settlements. A settlement for
 * a former owner has no effect.
 */
export class WorkerLease {
  readonly #connection: SqliteConnection;
  /** The clock of the broker. */
  readonly clock: Clock;
  readonly #reports: ReportCollector;
  readonly #consumers: Iterable<LeasedConsumer>;
  readonly #lease: Lease;
  readonly #heartbeatTimeout: number;
  readonly #interval: number;
  readonly #label: string = crypto.randomUUID();
  readonly #host: string = processNamespace() ?? `unknown ${this.#label}`;
  readonly #sightings: Map<number, Sighting> = new Map();
  readonly #recovering: Set<number> = new Set();
  #owner: number | undefined;
  #beginning: Promise<void> | undefined;
  #timer: Timer;
  #isStopped = false;
  /** When the pending heartbeat was first to be written, by `performance.now()`. */
  #waitsSince: number | undefined;

  /**
   * Makes a lease that has not begun.
   *
   * @param connection The connection.
   * @param clock The clock of the broker.
   * @param times Timeout and interval of heartbeats, in milliseconds.
   * @param consumers Consumers to fail when the lease is lost.
   * @param sources Workers whose reports are stored with each heartbeat.
   */
  constructor(
    connection: SqliteConnection,
    clock: Clock,
    times: { readonly heartbeatTimeout: number; readonly heartbeatInterval: number },
    consumers: Iterable<LeasedConsumer>,
    sources: ReadonlySet<ReportSource>,
  ) {
    this.#connection = connection;
    this.clock = clock;
    const { heartbeatTimeout, heartbeatInterval } = times;
    this.#heartbeatTimeout = heartbeatTimeout;
    this.#consumers = consumers;
    this.#lease = new Lease(clock, OWN_SHARE * heartbeatTimeout);
    this.#interval = Math.min(heartbeatInterval, heartbeatTimeout / BEATS_PER_TIMEOUT);
    this.#reports = new ReportCollector(sources, this.#interval);
    connection.onLoss(this.#onLoss);
  }

  /** Id of the lease, for claims and settlements; `undefined` while there is none. */
  get owner(): number | undefined {
    return this.#owner;
  }

  /** True if another worker may have recovered the messages. */
  get isLost(): boolean {
    return this.#lease.isLost;
  }

  /** Milliseconds for which a heartbeat could not be written; 0 if none is pending. */
  get silentFor(): number {
    return this.#waitsSince === undefined ? 0 : performance.now() - this.#waitsSince;
  }

  /**
   * Begins a lease, unless there is one.
   *
   * @throws {BrokerConnectionError} If the database cannot be used.
   */
  begin(): Promise<void> {
    if (this.#owner !== undefined) return Promise.resolve();
    this.#beginning ??= this.#begin().finally(() => this.#beginning = undefined);
    return this.#beginning;
  }

  /**
   * True if the row of the lease exists. Checked inside the transaction of a claim: messages claimed for
   * a removed row would never be recovered.
   */
  get isRecorded(): boolean {
    return Boolean(this.#connection.statement(SELECT_BEAT).get(this.#owner ?? null));
  }

  /** Fails all consumers: another worker has removed the row. */
  failTakenOver(): void {
    this.#fail(
      new ConnectionClosed("Cannot run the messages received: another worker has taken it over"),
    );
  }

  /** Fails all consumers if the lease was lost. */
  failIfLost(): void {
    if (!this.isLost) return;
    this.#fail(
      new ConnectionClosed(
        "Cannot run the messages received: no heartbeat got through for " +
          `${this.#lease.duration} ms, so that other workers may have taken it over`,
      ),
    );
  }

  /** Ends the lease: requeues messages that are still unacknowledged, and removes the row. */
  async stop(): Promise<void> {
    this.#isStopped = true;
    this.clock.clearTimer(this.#timer);
    this.#connection.offLoss(this.#onLoss);
    await this.#beginning?.catch(() => {});
    const owner = this.#owner;
    if (owner === undefined || this.#connection.database === undefined) return;
    await this.#connection.writer.transact(() => {
      while (Number(this.#connection.statement(RECOVER).run(owner).changes) > 0);
      this.#connection.statement(DELETE_WORKER).run(owner);
    });
  }

  /** Removes the report of a worker that has stopped, and adds its last counts to the history. */
  async withdraw(source: ReportSource): Promise<void> {
    const collected = this.#reports.withdraw(source);
    const owner = this.#owner;
    if (owner === undefined || this.#connection.database === undefined) return;
    await this.#connection.writer.transact(() =>
      replaceReport(this.#connection, owner, this.clock.now(), collected)
    );
  }

  readonly #onLoss = (error: ConnectionClosed): void => this.#fail(error);

  async #begin(): Promise<void> {
    this.#lease.reset();
    this.#waitsSince ??= performance.now();
    const begunAt = this.#lease.now;
    await this.#connection.open();
    const [owner, former] = await this.#connection.writer.transact(() => {
      const rows = this.#connection.statement(SELECT_WORKERS).all() as WorkerRow[];
      const { lastInsertRowid } = this.#connection.statement(INSERT_WORKER)
        .run(this.#host, processId(), this.#label, Math.trunc(this.clock.now()));
      return [Number(lastInsertRowid), rows.filter(({ label }) => label === this.#label)];
    });
    this.#lease.renew(begunAt);
    this.#waitsSince = undefined;
    this.#owner = owner;
    for (const row of former) this.#recover(row, "lost");
    this.#setTimer();
  }

  #setTimer(): void {
    if (this.#isStopped) return;
    this.clock.clearTimer(this.#timer);
    this.#timer = this.clock.setTimer(() => this.#beat(), this.#interval);
  }

  #beat(): void {
    this.failIfLost();
    const owner = this.#owner;
    if (owner === undefined || this.#isStopped) return;
    this.#waitsSince ??= performance.now();
    const { now } = this.#lease;
    this.#connection.writer.addFirst(
      new Heartbeat(this.#connection, now, owner, this, this.#reports.take(now)),
    );
  }

  /** Called when a heartbeat was committed: renews the lease, and checks the other workers. */
  committed(
    owner: number,
    sentAt: number,
    isRecorded: boolean,
    workers: readonly WorkerRow[],
  ): void {
    if (owner !== this.#owner) return;
    this.#waitsSince = undefined;
    if (!isRecorded) return this.failTakenOver();
    this.#lease.renew(sentAt);
    this.#watch(workers);
    this.#setTimer();
  }

  /** Called when a heartbeat could not be written. */
  failed(collected: CollectedReport): void {
    this.#reports.lost(collected);
    this.failIfLost();
    if (this.#owner !== undefined) this.#setTimer();
  }

  #watch(workers: readonly WorkerRow[]): void {
    const { now } = this.#lease;
    const present = new Set<number>();
    for (const worker of workers) {
      const { id, beat, host, pid } = worker;
      if (id === this.#owner) continue;
      present.add(id);
      const sighting = this.#sightings.get(id);
      if (sighting === undefined || sighting.beat !== beat) {
        this.#sightings.set(id, { beat, seenAt: now });
      }
      const isSilent = sighting?.beat === beat && now - sighting.seenAt >= this.#heartbeatTimeout;
      if (isSilent || (host === this.#host && hasProcessEnded(pid))) {
        this.#recover(worker, "dead");
      }
    }
    for (const id of this.#sightings.keys()) if (!present.has(id)) this.#sightings.delete(id);
  }

  #recover(worker: WorkerRow, cause: "dead" | "lost"): void {
    const { id } = worker;
    if (this.#recovering.has(id)) return;
    this.#recovering.add(id);
    recover(this.#connection, worker, cause).catch((error) => {
      log.warn("Failed to requeue the messages of worker {worker}: {error}", { worker: id, error });
    }).finally(() => this.#recovering.delete(id));
  }

  #fail(error: ConnectionClosed): void {
    this.clock.clearTimer(this.#timer);
    this.#owner = undefined;
    this.#lease.reset();
    for (const consumer of [...this.#consumers]) consumer.fail(error);
  }
}

/** The write job of one heartbeat. */
class Heartbeat implements WriteJob {
  readonly #connection: SqliteConnection;
  readonly #sentAt: number;
  readonly #owner: number;
  readonly #lease: WorkerLease;
  readonly #collected: CollectedReport;
  #isRecorded = false;
  #workers: WorkerRow[] = [];

  constructor(
    connection: SqliteConnection,
    sentAt: number,
    owner: number,
    lease: WorkerLease,
    collected: CollectedReport,
  ) {
    this.#collected = collected;
    this.#connection = connection;
    this.#sentAt = sentAt;
    this.#owner = owner;
    this.#lease = lease;
  }

  run(): void {
    this.#isRecorded = Number(this.#connection.statement(BEAT).run(this.#owner).changes) > 0;
    storeReport(this.#connection, this.#owner, this.#lease.clock.now(), this.#collected);
    this.#workers = this.#connection.statement(SELECT_WORKERS).all() as WorkerRow[];
  }

  committed(): void {
    this.#lease.committed(this.#owner, this.#sentAt, this.#isRecorded, this.#workers);
  }

  failed(): void {
    this.#lease.failed(this.#collected);
  }
}
