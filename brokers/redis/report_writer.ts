import type { ActorCounts, HistoryMinute } from "../../core/inspection.ts";
import { encodeReports } from "../../core/report_format.ts";
import {
  addCounts,
  type CountsByActor,
  minuteOf,
  type ReportSource,
} from "../../core/report_source.ts";
import type { RedisArgument } from "../../clients/redis/reply.ts";
import { WITHDRAW } from "./inspection_scripts.ts";
import type { Keys } from "./keys.ts";
import type { RedisSession } from "./session.ts";

/**
 * Heartbeats between two reports, between two of which the second says nothing new, and between two
 * additions to the history: with a heartbeat every 800 ms, 2, 5 and 10 seconds.
 */
const HEARTBEATS = 2.5;
const HEARTBEATS_UNCHANGED = 6.25;
const HEARTBEATS_OF_HISTORY = 12.5;

/** Letters of the counts in the history. */
const LETTERS: Readonly<Record<keyof ActorCounts, string>> = {
  done: "d",
  failed: "f",
  retried: "r",
  dead: "x",
};
const NAMES = /* @__PURE__ */ Object.keys(LETTERS) as (keyof ActorCounts)[];

/** Part of a heartbeat that reports workers. */
export interface HeartbeatReport {
  readonly keys: readonly string[];
  readonly args: readonly RedisArgument[];
  /** Takes counts back that have not arrived. */
  lost(): void;
}

/** Decides what heartbeats say of the workers of this process. */
export class ReportWriter {
  readonly #sources: ReadonlySet<ReportSource>;
  readonly #keys: Keys;
  readonly #interval: number;
  #report = "";
  #reportedAt = -Infinity;
  #addedAt = -Infinity;

  /**
   * Stores the workers.
   *
   * @param sources Workers that report; they come and go.
   * @param keys The keys of the namespace.
   * @param interval Milliseconds between two heartbeats.
   */
  constructor(sources: ReadonlySet<ReportSource>, keys: Keys, interval: number) {
    this.#sources = sources;
    this.#keys = keys;
    this.#interval = interval;
  }

  /**
   * Collects what the next heartbeat is to say.
   *
   * @param now Monotonic time.
   * @param serverTime The time of the server.
   * @returns The keys that follow the heartbeats, and the arguments.
   */
  take(now: number, serverTime: number): HeartbeatReport {
    const report = this.#nextReport(now);
    const counts = this.#nextCounts(now);
    const { reports, queueNames } = this.#keys;
    return {
      keys: [reports, queueNames, this.#keys.minute(minuteOf(serverTime))],
      args: [report, ...toFields(counts)],
      lost: () => {
        this.#reportedAt = -Infinity;
        if (counts !== undefined) [...this.#sources][0]?.returnCounts(counts);
      },
    };
  }

  /** What is to be said when a worker ends: the report of the others, and the last counts. */
  withdraw(source: ReportSource): RedisArgument[] {
    this.#reportedAt = -Infinity;
    return [this.#sources.size === 0 ? "" : this.#encode(), ...toFields(source.takeCounts())];
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

/** Fields of the history, and what they grow by. */
function toFields(counts: CountsByActor | undefined): RedisArgument[] {
  return Object.entries(counts ?? {}).flatMap(([actorName, one]) =>
    NAMES.filter((name) => one[name] > 0).flatMap((name) => [
      `${LETTERS[name]}:${actorName}`,
      one[name],
    ])
  );
}

/**
 * Reads a minute of the history.
 *
 * @param at Its begin.
 * @param fields Fields and values.
 */
export function toMinute(
  at: number,
  fields: readonly (readonly [field: string, count: Uint8Array])[],
): HistoryMinute {
  const actors: Record<string, ActorCounts> = {};
  for (const [field, value] of fields) {
    const name = NAMES.find((one) => LETTERS[one] === field[0]);
    if (name === undefined) continue;
    const count = { done: 0, failed: 0, retried: 0, dead: 0, [name]: Number(String(value)) };
    const actorName = field.slice(2);
    actors[actorName] = addCounts(actors[actorName], count);
  }
  return { at, actors };
}

/**
 * Takes the report of a worker that is gone off the server, and adds what it has counted last.
 *
 * @param session The broker.
 * @param reports The reports of the other workers.
 * @param source The worker.
 */
export async function withdrawReport(
  { connection, keys, brokerId, clock, serverClock }: RedisSession,
  reports: ReportWriter,
  source: ReportSource,
): Promise<void> {
  const args = reports.withdraw(source);
  if (!connection.isUp) return; // its heartbeat ends, and that with it
  const minute = keys.minute(minuteOf(clock.now() + serverClock.lead));
  await connection.run(WITHDRAW, [keys.reports, minute], [brokerId, ...args]);
}
