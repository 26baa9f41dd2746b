import type { Broker } from "../core/broker.ts";
import { controlStoreOf } from "../core/cancellation.ts";
import type { ControlStore, ControlValue } from "../core/control_store.ts";
import type { WorkerReport } from "../core/inspection_reports.ts";
import { inspectorOf } from "../core/inspector_of.ts";
import { decodeReports } from "../core/report_format.ts";

export type { WorkerReport } from "../core/inspection_reports.ts";

/** Facts of a worker that its entry in the control store has: schedules go by it. */
export type WorkerEntry = Pick<
  WorkerReport,
  | "id"
  | "host"
  | "pid"
  | "queues"
  | "concurrency"
  | "running"
  | "schedules"
  | "bootedAt"
  | "seenAt"
>;

/** Key prefix of workers. */
export const WORKER_PREFIX = "worker/";

/**
 * Lists workers by their reports: as an inspector of the broker reads them, or by their entries in the
 * control store if it has none.
 *
 * @returns The workers of this library that are alive, the one that started first first.
 */
export async function readWorkers(broker: Broker): Promise<WorkerReport[]> {
  const store = controlStoreOf(broker, "list workers");
  const inspector = inspectorOf(broker);
  if (inspector === undefined) return await readEntries(store);
  try {
    return (await inspector.workers()).filter(({ hasReport }) => hasReport);
  } finally {
    await inspector[Symbol.asyncDispose]();
  }
}

/** Reads the entries of workers in a control store, as reports. */
export async function readEntries(store: ControlStore): Promise<WorkerReport[]> {
  const { entries } = await store.read(WORKER_PREFIX);
  const lists = entries.map(({ key, value }) => {
    const fields = { ...value as object, id: key.slice(WORKER_PREFIX.length) };
    const { seenAt } = fields as { seenAt?: unknown };
    return decodeReports(JSON.stringify([fields]), typeof seenAt === "number" ? seenAt : 0);
  });
  return lists.flat().toSorted((a, b) => a.bootedAt - b.bootedAt || (a.id < b.id ? -1 : 1));
}

/** An entry without the id, as it is stored. */
export function fromEntry({ id: _id, host, schedules, ...others }: WorkerEntry): ControlValue {
  return {
    ...others,
    ...(host !== undefined && { host }),
    ...(schedules !== undefined && { schedules }),
  };
}
