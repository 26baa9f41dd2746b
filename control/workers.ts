import type { Broker } from "../core/broker.ts";
import { controlStoreOf } from "../core/cancellation.ts";
import type { ControlStore, ControlValue } from "../core/control_store.ts";
import type { WorkerReport } from "../core/inspection_reports.ts";
import { inspectorOf } from "../core/inspector_of.ts";
import { decodeReports } from "../core/report_format.ts";
import { stringify } from "../platform/json_values.ts";

export type { WorkerReport } from "../core/inspection_reports.ts";

/** The part of a worker's report that its entry in the control store has. Schedulers read it. */
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

/** Key prefix of the entries of workers. */
export const WORKER_PREFIX = "worker/";

/**
 * Lists workers: as the inspector of the broker reports them, or from their entries in the control
 * store if it has no inspector.
 *
 * @returns The live workers of this library, by the time they started.
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

/** Reads the entries of workers in a control store as reports. */
export async function readEntries(store: ControlStore): Promise<WorkerReport[]> {
  const { entries } = await store.read(WORKER_PREFIX);
  const lists = entries.map(({ key, value }) => {
    const fields = { ...value as object, id: key.slice(WORKER_PREFIX.length) };
    const { seenAt } = fields as { seenAt?: unknown };
    return decodeReports(stringify([fields]), typeof seenAt === "number" ? seenAt : 0);
  });
  return lists.flat().toSorted((a, b) => a.bootedAt - b.bootedAt || (a.id < b.id ? -1 : 1));
}

/** Encodes an entry. The id is in its key. */
export function fromEntry({ id: _id, host, schedules, ...others }: WorkerEntry): ControlValue {
  return {
    ...others,
    ...(host !== undefined && { host }),
    ...(schedules !== undefined && { schedules }),
  };
}
