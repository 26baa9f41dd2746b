import type { Broker } from "../core/broker.ts";
import { controlStoreOf } from "../core/cancellation.ts";
import type { ControlValue } from "../core/control_store.ts";

/** A worker that is alive, as it said last. */
export interface WorkerReport {
  /** Tells it from all others. */
  readonly id: string;
  /** The machine; `undefined` where that may not be known. */
  readonly host: string | undefined;
  /** The process. */
  readonly pid: number;
  /** The queues that it works on, by name. */
  readonly queues: readonly string[];
  /** Number of messages it runs at once. */
  readonly concurrency: number;
  /** Number of messages that were running. */
  readonly running: number;
  /** Digest of the schedules that it declares; `undefined` if there are none. */
  readonly schedules: string | undefined;
  /** When it started, in milliseconds since the epoch, by the clock of the control store. */
  readonly bootedAt: number;
  /** When it said so, as `bootedAt`. */
  readonly seenAt: number;
}

/** Key prefix of workers. */
export const WORKER_PREFIX = "worker/";

/**
 * Reads who is alive.
 *
 * @returns The workers, the one that started first first.
 */
export async function readWorkers(broker: Broker): Promise<WorkerReport[]> {
  const store = controlStoreOf(broker, "list workers");
  const { entries } = await store.read(WORKER_PREFIX);
  return entries.map(({ key, value }) => toReport(key.slice(WORKER_PREFIX.length), value))
    .filter((report) => report !== undefined)
    .toSorted((a, b) => a.bootedAt - b.bootedAt || (a.id < b.id ? -1 : 1));
}

function toReport(id: string, value: unknown): WorkerReport | undefined {
  if (typeof value !== "object" || value === null) return undefined;
  const { host, pid, queues, concurrency, running, schedules, bootedAt, seenAt } =
    value as Readonly<
      Record<string, unknown>
    >;
  const number = (one: unknown) => typeof one === "number" ? one : 0;
  return {
    id,
    host: typeof host === "string" ? host : undefined,
    pid: number(pid),
    queues: Array.isArray(queues) ? queues.map(String) : [],
    concurrency: number(concurrency),
    running: number(running),
    schedules: typeof schedules === "string" ? schedules : undefined,
    bootedAt: number(bootedAt),
    seenAt: number(seenAt),
  };
}

/** A report without the id, as it is stored. */
export function fromReport({ id: _id, host, schedules, ...others }: WorkerReport): ControlValue {
  return {
    ...others,
    ...(host !== undefined && { host }),
    ...(schedules !== undefined && { schedules }),
  };
}
