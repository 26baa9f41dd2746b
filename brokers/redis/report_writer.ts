import type { ActorCounts, HistoryMinute } from "../../core/inspection_reports.ts";
import type { ReportCollector } from "../../core/report_collector.ts";
import {
  addCounts,
  type CountsByActor,
  minuteOf,
  type ReportSource,
} from "../../core/report_source.ts";
import type { RedisArgument } from "../../clients/redis/reply.ts";
import { WITHDRAW } from "./inspection_change_scripts.ts";
import type { RedisSession } from "./session.ts";

/** Prefixes of fields in the history. */
const LETTERS: Readonly<Record<keyof ActorCounts, string>> = {
  done: "d",
  failed: "f",
  retried: "r",
  dead: "x",
};
const NAMES = /* @__PURE__ */ Object.keys(LETTERS) as (keyof ActorCounts)[];

/** Key of the counts of the current minute, by the clock of the server. */
export function currentMinute({ clock, serverClock, keys }: RedisSession): string {
  return keys.minute(minuteOf(clock.now() + serverClock.lead));
}

/** Fields of the history with their increments, in turns. */
export function toFields(counts: CountsByActor | undefined): RedisArgument[] {
  return Object.entries(counts ?? {}).flatMap(([actorName, one]) =>
    NAMES.filter((name) => one[name] > 0).flatMap((name) => [
      `${LETTERS[name]}:${actorName}`,
      one[name],
    ])
  );
}

/**
 * Parses a minute of the history.
 *
 * @param at Its start.
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
 * Removes the report of a worker that has stopped, and adds its last counts to the history.
 *
 * @param session The broker.
 * @param reports The reports of its workers.
 * @param source The worker.
 */
export async function withdrawReport(
  session: RedisSession,
  reports: ReportCollector,
  source: ReportSource,
): Promise<void> {
  const { connection, keys, brokerId } = session;
  const { report, counts } = reports.withdraw(source);
  if (!connection.isUp) return; // the report is removed when the heartbeat expires
  const args = [brokerId, report, ...toFields(counts)];
  await connection.run(WITHDRAW, [keys.reports, currentMinute(session)], args);
}
