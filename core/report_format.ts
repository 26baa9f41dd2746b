import { stringify } from "../platform/json_values.ts";
import type { ActorCounts, RunningMessage, WorkerReport } from "./inspection_reports.ts";

/** Characters of a report. */
const LONGEST = 8_192;
/** Running messages in a report that would be longer. */
const FEW_RUNNING = 10;

type Fields = Readonly<Record<string, unknown>>;

/**
 * Writes reports for other processes.
 *
 * @param reports The reports of the workers of this process.
 * @returns A JSON list. A report that would be over 8 KiB comes without counts by actor, and then
 *   with fewer running messages.
 */
export function encodeReports(reports: readonly WorkerReport[]): string {
  return `[${reports.map(encodeReport).join(",")}]`;
}

function encodeReport(report: WorkerReport): string {
  const { messages } = report;
  const shorter = [
    report,
    { ...report, actors: {} },
    { ...report, actors: {}, messages: messages.slice(0, FEW_RUNNING) },
    { ...report, actors: {}, messages: [], queues: report.queues.slice(0, FEW_RUNNING) },
  ];
  let text = "";
  for (const one of shorter) {
    text = stringify(toFields(one));
    if (text.length <= LONGEST) break;
  }
  return text;
}

function toFields(report: WorkerReport): Fields {
  const { seenAt: _seenAt, hasReport: _hasReport, messages, actors, rss, lag, ...others } = report;
  return {
    v: 1,
    ...others,
    // Rounded, so that an idle worker says the same each time.
    ...(rss !== undefined && { rss: Math.round(rss / 2 ** 20) * 2 ** 20 }),
    ...(lag !== undefined && { lag: Math.round(lag / 20) * 20 }),
    messages: messages.map((
      { messageId, actorName, queueName, since, attempt, key },
    ) => [messageId, actorName, queueName, since, attempt, key]),
    actors: Object.fromEntries(
      Object.entries(actors).map((
        [name, { done, failed, retried, dead }],
      ) => [name, [done, failed, retried, dead]]),
    ),
  };
}

/**
 * Reads the output of any version of {@linkcode encodeReports}.
 *
 * @param text The JSON.
 * @param seenAt When the process was last heard of, in milliseconds since the epoch.
 * @returns The reports; anything else is left out.
 */
export function decodeReports(text: string, seenAt: number): WorkerReport[] {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return [];
  }
  return Array.isArray(value) ? value.filter(isFields).map((one) => toReport(one, seenAt)) : [];
}

function toReport(fields: Fields, seenAt: number): WorkerReport {
  const { id, host, pid, concurrency, running, schedules, bootedAt, state, runtime, version } =
    fields;
  return {
    id: textOr(id, ""),
    host: optionalText(host),
    pid: numberOr(pid, 0),
    queues: listOf(fields["queues"]).map(String),
    concurrency: numberOr(concurrency, 0),
    running: numberOr(running, 0),
    schedules: optionalText(schedules),
    bootedAt: numberOr(bootedAt, 0),
    seenAt,
    hasReport: true,
    state: state === "quiet" || state === "stopping" ? state : "working",
    runtime: optionalText(runtime),
    version: optionalText(version),
    messages: listOf(fields["messages"]).filter(Array.isArray).map(toRunning),
    actors: toCounts(fields["actors"]),
    lag: optionalNumber(fields["lag"]),
    rss: optionalNumber(fields["rss"]),
  };
}

/**
 * A worker that has a heartbeat and no report.
 *
 * @param id Its id.
 * @param seenAt When it was last heard of, in milliseconds since the epoch.
 */
export function silentWorker(id: string, seenAt: number): WorkerReport {
  return { ...toReport({ id, bootedAt: seenAt }, seenAt), hasReport: false };
}

function toRunning([messageId, actorName, queueName, since, attempt, key]: readonly unknown[]) {
  return {
    messageId: textOr(messageId, ""),
    actorName: textOr(actorName, ""),
    queueName: textOr(queueName, ""),
    since: numberOr(since, 0),
    attempt: numberOr(attempt, 1),
    key: optionalText(key),
  } satisfies RunningMessage;
}

function toCounts(actors: unknown): Record<string, ActorCounts> {
  if (!isFields(actors)) return {};
  const entries = Object.entries(actors).map(([name, counts]) => {
    const [done, failed, retried, dead] = listOf(counts).map((count) => numberOr(count, 0));
    return [name, { done: done ?? 0, failed: failed ?? 0, retried: retried ?? 0, dead: dead ?? 0 }];
  });
  return Object.fromEntries(entries);
}

function isFields(value: unknown): value is Fields {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function listOf(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}

function textOr(value: unknown, other: string): string {
  return typeof value === "string" ? value : other;
}

function numberOr(value: unknown, other: number): number {
  return typeof value === "number" ? value : other;
}

function optionalText(value: unknown): string | undefined {
  return typeof value === "string" ? value : undefined;
}

function optionalNumber(value: unknown): number | undefined {
  return typeof value === "number" ? value : undefined;
}
