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
import { storeReport } from "./reports.ts";
import {
  BEAT,
  DELETE_WORKER,
  INSERT_WORKER,
  RECOVER,
  SELECT_BEAT,
  SELECT_WORKERS,
} from "./statements.ts";

const log = /* @__PURE__ */ getLogger("sqlite", "lease");

/** Number of heartbeats in a timeout, at least. */
const BEATS_PER_TIMEOUT = 4;
/** Share of the timeout that a worker relies on: others count from when they see a heartbeat. */
const OWN_SHARE = 0.8;

/** A consumer, as the lease sees it. */
export interface LeasedConsumer {
  /** Fails: its messages may be with another worker by now. */
  fail(error: unknown): void;
}

/** A worker as its row has it. */
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
 * The hold of a broker on what its consumers have received: a row with a counter that grows with
 * each heartbeat. Others take over what it has when the counter stands still for
 * `heartbeatTimeout` by their own monotonic clocks; no two clocks are ever compared.
 *
 * none ─(first consumer)▶ held ─(no heartbeat gets through, or the row is gone)▶ lost ─▶ none
 *
 * Each hold has an id of its own, which every settlement names: one that comes late changes
 * nothing.
 */
export class WorkerLease {
  readonly #connection: SqliteConnection;
  /** The time of the broker. */
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
  /** Since when a heartbeat has been on its way, by `performance.now()`. */
  #waitsSince: number | undefined;

  /**
   * Makes a lease that has not begun.
   *
   * @param connection The connection.
   * @param clock The time of the broker.
   * @param times After how long a silent worker counts as dead, and how often it is heard.
   * @param consumers Those who hear of the loss.
   * @param sources Workers that report with each heartbeat.
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

  /** The id that claims and settlements name; `undefined` while there is none. */
  get owner(): number | undefined {
    return this.#owner;
  }

  /** True if what was received may be with another worker by now. */
  get isLost(): boolean {
    return this.#lease.isLost;
  }

  /** Milliseconds for which no heartbeat has got through that was to be written. */
  get silentFor(): number {
    return this.#waitsSince === undefined ? 0 : performance.now() - this.#waitsSince;
  }

  /**
   * Begins a hold, unless there is one.
   *
   * @throws {BrokerConnectionError} If the database cannot be used.
   */
  begin(): Promise<void> {
    if (this.#owner !== undefined) return Promise.resolve();
    this.#beginning ??= this.#begin().finally(() => this.#beginning = undefined);
    return this.#beginning;
  }

  /**
   * True if the row of the hold is there, asked inside the transaction of a claim: what is claimed
   * without one nobody would ever give back.
   */
  get isRecorded(): boolean {
    return Boolean(this.#connection.statement(SELECT_BEAT).get(this.#owner ?? null));
  }

  /** Fails all consumers: the row is gone. */
  tellTakeover(): void {
    this.#fail(
      new ConnectionClosed("Cannot run the messages received: another worker has taken it over"),
    );
  }

  /** Fails all consumers if the hold is lost. */
  tellLoss(): void {
    if (!this.isLost) return;
    this.#fail(
      new ConnectionClosed(
        "Cannot run the messages received: no heartbeat got through for " +
          `${this.#lease.duration} ms, so that other workers may have taken it over`,
      ),
    );
  }

  /** Ends the hold; its row goes, and with it all that is still unacknowledged goes back. */
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

  /** Removes the report of a worker that is gone, and stores what it has counted last. */
  async withdraw(source: ReportSource): Promise<void> {
    const collected = this.#reports.withdraw(source);
    const owner = this.#owner;
    if (owner === undefined || this.#connection.database === undefined) return;
    await this.#connection.writer.transact(() =>
      storeReport(this.#connection, owner, this.clock.now(), collected, true)
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
    for (const { id, beat } of former) this.#recover(id, beat, false);
    this.#setTimer();
  }

  /** A heartbeat is only written when it comes; others are watched with it. */
  #setTimer(): void {
    if (this.#isStopped) return;
    this.clock.clearTimer(this.#timer);
    this.#timer = this.clock.setTimer(() => this.#beat(), this.#interval);
  }

  #beat(): void {
    this.tellLoss();
    const owner = this.#owner;
    if (owner === undefined || this.#isStopped) return;
    this.#waitsSince ??= performance.now();
    const { now } = this.#lease;
    this.#connection.writer.addFirst(
      new Heartbeat(this.#connection, now, owner, this, this.#reports.take(now)),
    );
  }

  /** Hears of a heartbeat that was committed. */
  heard(owner: number, sentAt: number, isThere: boolean, workers: readonly WorkerRow[]): void {
    if (owner !== this.#owner) return;
    this.#waitsSince = undefined;
    if (!isThere) return this.tellTakeover();
    this.#lease.renew(sentAt);
    this.#watch(workers);
    this.#setTimer();
  }

  /** Hears of a heartbeat that did not get through. */
  unheard(collected: CollectedReport): void {
    this.#reports.lost(collected);
    this.tellLoss();
    if (this.#owner !== undefined) this.#setTimer();
  }

  #watch(workers: readonly WorkerRow[]): void {
    const { now } = this.#lease;
    const present = new Set<number>();
    for (const { id, beat, host, pid } of workers) {
      if (id === this.#owner) continue;
      present.add(id);
      const sighting = this.#sightings.get(id);
      if (sighting === undefined || sighting.beat !== beat) {
        this.#sightings.set(id, { beat, seenAt: now });
      }
      const isSilent = sighting?.beat === beat && now - sighting.seenAt >= this.#heartbeatTimeout;
      if (isSilent || (host === this.#host && hasProcessEnded(pid))) {
        this.#recover(id, beat, true);
      }
    }
    for (const id of this.#sightings.keys()) if (!present.has(id)) this.#sightings.delete(id);
  }

  #recover(id: number, beat: number, isDead: boolean): void {
    if (this.#recovering.has(id)) return;
    this.#recovering.add(id);
    recover(this.#connection, id, beat, isDead).catch((error) => {
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

/** One heartbeat on its way. */
class Heartbeat implements WriteJob {
  readonly #connection: SqliteConnection;
  readonly #sentAt: number;
  readonly #owner: number;
  readonly #lease: WorkerLease;
  readonly #collected: CollectedReport;
  #isThere = false;
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
    this.#isThere = Number(this.#connection.statement(BEAT).run(this.#owner).changes) > 0;
    storeReport(this.#connection, this.#owner, this.#lease.clock.now(), this.#collected);
    this.#workers = this.#connection.statement(SELECT_WORKERS).all() as WorkerRow[];
  }

  committed(): void {
    this.#lease.heard(this.#owner, this.#sentAt, this.#isThere, this.#workers);
  }

  failed(): void {
    this.#lease.unheard(this.#collected);
  }
}
