import type { QueueOverview } from "../../core/inspection.ts";
import type {
  ActorCounts,
  HistoryMinute,
  RunningMessage,
  WorkerReport,
} from "../../core/inspection_reports.ts";
import { escapeText } from "../../platform/escape.ts";
import { formatDuration } from "../status.ts";
import { isoTime } from "../iso_time.ts";
import { type Column, formatCount, formatTable, formatTime } from "./table.ts";

/** Content of `top` at one time. */
export interface TopFrame {
  /** The time of the server. */
  readonly now: number;
  /** Milliseconds that the broker took. */
  readonly took: number;
  readonly queues: readonly QueueOverview[];
  readonly workers: readonly WorkerReport[];
  /** The last minutes; `undefined` if the broker does not keep them. */
  readonly history: readonly HistoryMinute[] | undefined;
  /** Reason why the broker does not answer; the other fields are from before. */
  readonly outage?: string;
}

/** Size of the terminal, and format of times. */
export interface TopOptions {
  readonly width: number;
  readonly height: number;
  readonly interval: number;
  readonly isUtc: boolean;
}

const MAX_NAME = 32;
const NOTHING: ActorCounts = { done: 0, failed: 0, retried: 0, dead: 0 };

/** One actor. */
interface Row {
  readonly actor: string;
  running: number;
  oldest: number | undefined;
  readonly counts: ActorCounts;
}

/** Lines of a frame, cut to the size of the terminal. */
export function formatTop(frame: TopFrame, options: TopOptions): string[] {
  const { now, outage } = frame;
  const { width, height, interval, isUtc } = options;
  const state = outage === undefined
    ? `every ${interval} s`
    : `the broker does not answer: ${outage}`;
  const lines = [
    `${formatTime(now, isUtc)}${isUtc ? " UTC" : ""}   ${escapeText(state)}   q quits, p holds`,
    summaryOf(frame),
    "",
    ...actorsOf(frame),
    "",
    ...queuesOf(frame),
    "",
    ...messagesOf(frame),
  ];
  return lines.slice(0, height - 1).map((line) => line.slice(0, width));
}

function actorsOf(frame: TopFrame): string[] {
  const titles = ["RUN", "DONE/MIN", "FAIL%", "DEAD/MIN", "OLDEST"];
  const rows = rowsOf(frame).map(({ actor, running, oldest, counts }) => [
    actor,
    String(running),
    frame.history === undefined ? "?" : formatCount(counts.done),
    frame.history === undefined ? "?" : percent(counts),
    frame.history === undefined ? "?" : formatCount(counts.dead),
    oldest === undefined ? "-" : formatDuration(Math.max(0, frame.now - oldest)),
  ]);
  return tableOf([{ title: "ACTOR", width: MAX_NAME }, ...numbers(...titles)], rows);
}

function queuesOf({ now, queues }: TopFrame): string[] {
  const titles = ["READY", "OLDEST", "DELAYED", "IN FLIGHT", "DEAD"];
  const rows = queues.map((queue) => [
    queue.queueName,
    formatCount(queue.ready),
    queue.headSince === undefined ? "-" : formatDuration(Math.max(0, now - queue.headSince)),
    formatCount(queue.delayed),
    formatCount(queue.unacknowledged),
    formatCount(queue.dead),
  ]);
  return tableOf([{ title: "QUEUE", width: MAX_NAME }, ...numbers(...titles)], rows);
}

function messagesOf(frame: TopFrame): string[] {
  const columns = [
    { title: "SINCE" },
    { title: "ACTOR", width: MAX_NAME },
    { title: "WORKER" },
    { title: "RUNNING" },
  ];
  const rows = runningOf(frame).map(({ worker, message }) => [
    formatDuration(Math.max(0, frame.now - message.since)),
    message.actorName,
    `${worker.host ?? "?"}:${worker.pid}`,
    message.messageId,
  ]);
  return tableOf(columns, rows);
}

function numbers(...titles: readonly string[]): Column[] {
  return titles.map((title) => ({ title, isNumber: true }));
}

function tableOf(columns: readonly Column[], rows: readonly (readonly string[])[]): string[] {
  return rows.length === 0 ? [] : formatTable(columns, rows, undefined).trimEnd().split("\n");
}

function summaryOf({ workers, history, queues, took }: TopFrame): string {
  const reporting = workers.filter(({ hasReport }) => hasReport);
  const slots = reporting.reduce((sum, { concurrency }) => sum + concurrency, 0);
  const running = reporting.reduce((sum, worker) => sum + worker.running, 0);
  const dead = queues.reduce((sum, queue) => sum + (queue.dead ?? 0), 0);
  const parts = [`workers ${workers.length}`, `slots ${running}/${slots}`];
  if (history !== undefined) {
    const { done, failed } = total(lastMinute(history).values());
    const died = total(history.flatMap(({ actors }) => Object.values(actors))).dead;
    parts.push(
      `done ${formatCount(done)}/min`,
      `failed ${formatCount(failed)}/min`,
      `dead +${formatCount(died)} in ${history.length} min`,
    );
  }
  return [...parts, `dead letters ${formatCount(dead)}`, `broker ${took.toFixed(1)} ms`].join(
    "   ",
  );
}

function total(all: Iterable<ActorCounts>): ActorCounts {
  const sum = { ...NOTHING } as { -readonly [name in keyof ActorCounts]: number };
  for (const counts of all) {
    sum.done += counts.done;
    sum.failed += counts.failed;
    sum.retried += counts.retried;
    sum.dead += counts.dead;
  }
  return sum;
}

/** Counts of the last whole minute. */
function lastMinute(history: readonly HistoryMinute[]): ReadonlyMap<string, ActorCounts> {
  return new Map(Object.entries(history.at(-2)?.actors ?? {}));
}

/** Actors that are running or ran in the last minute, the longest running first. */
function rowsOf({ workers, history = [] }: TopFrame): Row[] {
  const rows = new Map<string, Row>();
  const rowOf = (actor: string, counts: ActorCounts): Row => {
    const row = rows.get(actor) ?? { actor, running: 0, oldest: undefined, counts };
    rows.set(actor, row);
    return row;
  };
  const last = lastMinute(history);
  for (const [actor, counts] of last) rowOf(actor, counts);
  for (const { messages } of workers) {
    for (const { actorName, since } of messages) {
      const row = rowOf(actorName, last.get(actorName) ?? NOTHING);
      row.running += 1;
      row.oldest = Math.min(row.oldest ?? since, since);
    }
  }
  const ageOf = ({ oldest = Infinity }: Row) => oldest;
  return [...rows.values()].toSorted((a, b) =>
    ageOf(a) - ageOf(b) || b.counts.done - a.counts.done || (a.actor < b.actor ? -1 : 1)
  );
}

function percent({ done, failed }: ActorCounts): string {
  return done + failed === 0 ? "-" : (100 * failed / (done + failed)).toFixed(1);
}

/** Running messages, the oldest first. */
function runningOf(
  { workers }: TopFrame,
): { readonly worker: WorkerReport; readonly message: RunningMessage }[] {
  return workers.flatMap((worker) => worker.messages.map((message) => ({ worker, message })))
    .toSorted((a, b) => a.message.since - b.message.since);
}

/** A frame for programs. */
export function topToJson(frame: TopFrame): Record<string, unknown> {
  const { now, took, queues, history, workers, outage } = frame;
  return {
    at: isoTime(now),
    took: Math.round(took * 10) / 10,
    outage: outage ?? null,
    workers: workers.length,
    actors: rowsOf(frame).map(({ actor, running, oldest, counts }) => ({
      ...{ actor, running },
      oldest: isoTime(oldest),
      ...(history !== undefined && counts),
    })),
    queues: queues.map(({ queueName, headSince, ...counts }) => ({
      queue: queueName,
      ...counts,
      headSince: isoTime(headSince),
    })),
    running: runningOf(frame).map(({ worker, message: { since, key: _key, ...message } }) => ({
      ...message,
      since: isoTime(since),
      worker: worker.id,
    })),
  };
}
