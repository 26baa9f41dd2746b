import type { ActorCounts } from "./inspection_reports.ts";
import { encodeReports } from "./report_format.ts";
import { addCounts, type CountsByActor, type ReportSource } from "./report_source.ts";

/**
 * Heartbeats between two reports, between two equal reports, and between two additions to the
 * history: with a heartbeat every 800 ms, 2, 5 and 10 seconds.
 */
const HEARTBEATS = 2.5;
const HEARTBEATS_UNCHANGED = 6.25;
const HEARTBEATS_OF_HISTORY = 12.5;

/** Part of a heartbeat that reports the workers of a process. */
export interface CollectedReport {
  /** The reports in JSON; empty if it is too early for another one. */
  readonly report: string;
  /** Counts for the history, if there are any. */
  readonly counts: CountsByActor | undefined;
}

/** Decides what heartbeats report about the workers of this process. */
export class ReportCollector {
  readonly #sources: ReadonlySet<ReportSource>;
  readonly #interval: number;
  #report = "";
  #reportedAt = -Infinity;
  #addedAt = -Infinity;

  /**
   * Stores the workers.
   *
   * @param sources Workers that report; they come and go.
   * @param interval Milliseconds between two heartbeats.
   */
  constructor(sources: ReadonlySet<ReportSource>, interval: number) {
    this.#sources = sources;
    this.#interval = interval;
  }

  /**
   * Collects the report of the next heartbeat.
   *
   * @param now Monotonic time.
   */
  take(now: number): CollectedReport {
    return { report: this.#nextReport(now), counts: this.#nextCounts(now) };
  }

  /** Takes back a report that did not arrive. */
  lost({ counts }: CollectedReport): void {
    this.#reportedAt = -Infinity;
    if (counts !== undefined) [...this.#sources][0]?.returnCounts(counts);
  }

  /** Collects the last report of a worker that ends: the report of the others, and its last counts. */
  withdraw(source: ReportSource): CollectedReport {
    this.#reportedAt = -Infinity;
    return {
      report: this.#sources.size === 0 ? "" : this.#encode(),
      counts: source.takeCounts(),
    };
  }

  #nextReport(now: number): string {
    const since = (now - this.#reportedAt) / this.#interval;
    if (this.#sources.size === 0 || since < HEARTBEATS) return "";
    const report = this.#encode();
    if (report === this.#report && since < HEARTBEATS_UNCHANGED) return "";
    this.#report = report;
    this.#reportedAt = now;
    return report;
  }

  #encode(): string {
    const reports = Array.from(this.#sources, (source) => source.report());
    return encodeReports(reports.filter((one) => one !== undefined));
  }

  #nextCounts(now: number): CountsByActor | undefined {
    if ((now - this.#addedAt) / this.#interval < HEARTBEATS_OF_HISTORY) return undefined;
    let all: Record<string, ActorCounts> | undefined;
    for (const source of this.#sources) {
      for (const [name, counts] of Object.entries(source.takeCounts() ?? {})) {
        all ??= {};
        all[name] = addCounts(all[name], counts);
      }
    }
    if (all !== undefined) this.#addedAt = now;
    return all;
  }
}
