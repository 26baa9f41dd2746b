import type { Broker } from "../core/broker.ts";
import type { ControlStore } from "../core/control_store.ts";
import type { Inspector, MessageState, QueueOverview } from "../core/inspection.ts";
import type { WorkerReport } from "../core/inspection_reports.ts";
import { type Gauge, type GaugeSample, toLabelValue } from "../platform/gauges.ts";
import { PAUSE_PREFIX, toPause } from "./pauses.ts";
import { readScheduleDelays, type ScheduleDelay } from "./schedule_delays.ts";

/** Values read from a broker; `undefined` for those that it cannot provide. */
interface Reading {
  /** The time of the server, in milliseconds since the epoch. */
  readonly now: number;
  readonly queues: readonly QueueOverview[];
  /** True if the broker reports how long messages wait. */
  readonly hasAges: boolean;
  readonly paused: ReadonlySet<string> | undefined;
  readonly workers: readonly WorkerReport[] | undefined;
  readonly schedules: readonly ScheduleDelay[];
}

const MESSAGE_STATES: readonly MessageState[] = ["ready", "delayed", "unacknowledged", "dead"];
const WORKER_STATES: readonly WorkerReport["state"][] = ["working", "quiet", "stopping"];
const SECOND = 1_000;

/** True if {@linkcode readGauges} can count the messages of a broker that has no inspector. */
export function canCount(broker: Broker): broker is Broker & CountingBroker {
  return typeof (broker as Partial<CountingBroker>).getQueueMessageCounts === "function";
}

/** A broker that counts the messages of its queues. */
interface CountingBroker {
  getQueueMessageCounts(queueName: string): Promise<object>;
}

/** Options of {@linkcode readGauges}. */
export interface GaugeOptions {
  /** Ends the reading. */
  readonly signal: AbortSignal;
  /** Called with the error of each part of the reading that is left out. */
  leftOut(error: unknown): undefined;
  /** Called with each part of the reading when it begins. */
  track?(part: Promise<unknown>): void;
}

/**
 * Reads the gauges of queues, workers and schedules.
 *
 * @param broker The broker.
 * @param inspector Its inspector; `undefined` if it has none, and counts messages itself.
 * @param options The signal, and callbacks.
 * @throws {BrokerConnectionError} If the server cannot be reached.
 */
export async function readGauges(
  broker: Broker,
  inspector: Inspector | undefined,
  { signal, leftOut, track }: GaugeOptions,
): Promise<Gauge[]> {
  const { controlStore: store } = broker;
  const tracked = <T>(part: Promise<T>): Promise<T> => {
    track?.(part);
    return part;
  };
  // The user of the connection may have the permission to count messages only.
  const unlessRefused = <T>(part: Promise<T> | undefined) => part && tracked(part).catch(leftOut);
  const [{ now, queues }, workers, paused] = await Promise.all([
    tracked(inspector === undefined ? countQueues(broker) : inspector.overview({ signal })),
    unlessRefused(inspector?.abilities.has("workers") ? inspector.workers({ signal }) : undefined),
    unlessRefused(store && readPausedQueues(store)),
  ]);
  const hasSchedules = store !== undefined &&
    (broker.schedules.size > 0 || workers?.some((one) => one.schedules !== undefined));
  const schedules = hasSchedules ? await unlessRefused(readScheduleDelays(broker)) ?? [] : [];
  const hasAges = inspector?.abilities.has("headAge") ?? false;
  return gaugesOf({ now, queues, hasAges, paused, workers, schedules });
}

async function countQueues(broker: Broker): Promise<Pick<Reading, "now" | "queues">> {
  const queues = canCount(broker)
    ? await Promise.all(Array.from(broker.queues, async (queueName) => {
      const counts = await broker.getQueueMessageCounts(queueName);
      return { queueName, ...counts } as QueueOverview;
    }))
    : [];
  return { now: broker.clock.now(), queues };
}

async function readPausedQueues(store: ControlStore): Promise<ReadonlySet<string>> {
  const { entries } = await store.read(PAUSE_PREFIX);
  return new Set(entries.flatMap((entry) => toPause(entry)?.queue ?? []));
}

function gaugesOf(reading: Reading): Gauge[] {
  const { workers, schedules } = reading;
  return [
    ...queueGauges(reading),
    ...(workers === undefined ? [] : workerGauges(workers, reading.now)),
    {
      name: "dramatiq_schedule_due_seconds",
      help: "How late the next message of a schedule is; 0 if it is not due",
      samples: schedules.map(({ name, late }) => sample(late / SECOND, { schedule: name })),
    },
  ];
}

function queueGauges({ now, queues, hasAges, paused }: Reading): Gauge[] {
  const names = [...new Set([...queues.map((one) => one.queueName), ...paused ?? []])].toSorted();
  return [
    {
      name: "dramatiq_queue_messages",
      help: "Messages of a queue by state, as the broker counts them",
      samples: queues.flatMap((one) =>
        MESSAGE_STATES.flatMap((state) => {
          const value = one[state];
          return value === undefined ? [] : sample(value, { queue_name: one.queueName, state });
        })
      ),
    },
    {
      name: "dramatiq_queue_oldest_seconds",
      help: "How long the first message that is ready has waited; 0 if there is none",
      samples: !hasAges ? [] : queues.flatMap(({ queueName, ready, headSince }) => {
        if (headSince === undefined && ready !== 0) return []; // the sender has set no time
        const age = headSince === undefined ? 0 : Math.max(0, now - headSince);
        return sample(age / SECOND, { queue_name: queueName });
      }),
    },
    {
      name: "dramatiq_queue_paused",
      help: "1 for a queue that is paused, 0 for the others",
      samples: paused === undefined
        ? []
        : names.map((name) => sample(paused.has(name) ? 1 : 0, { queue_name: name })),
    },
  ];
}

/** Workers in Python and processes that send have a heartbeat only, without a state. */
function workerGauges(workers: readonly WorkerReport[], now: number): Gauge[] {
  const reporting = workers.filter(({ hasReport }) => hasReport);
  const isKnown = reporting.length > 0 || workers.length === 0;
  const total = (value: (worker: WorkerReport) => number): GaugeSample[] =>
    isKnown ? [sample(reporting.reduce((sum, one) => sum + value(one), 0))] : [];
  return [
    {
      name: "dramatiq_workers",
      help: "Workers that are alive, by state; silent if they have a heartbeat and no report",
      samples: [
        ...WORKER_STATES.map((state) =>
          sample(reporting.filter((one) => one.state === state).length, { state })
        ),
        sample(workers.length - reporting.length, { state: "silent" }),
      ],
    },
    {
      name: "dramatiq_worker_slots",
      help: "Messages that workers can run at once",
      samples: total((one) => one.state === "stopping" ? 0 : one.concurrency),
    },
    {
      name: "dramatiq_worker_slots_in_use",
      help: "Messages that workers run",
      samples: total((one) => one.running),
    },
    {
      name: "dramatiq_running_oldest_seconds",
      help: "Longest time for which a message of an actor has been running",
      samples: oldestByActor(reporting, now),
    },
  ];
}

function oldestByActor(workers: readonly WorkerReport[], now: number): GaugeSample[] {
  const longest = new Map<string, number>();
  for (const { actorName, since } of workers.flatMap(({ messages }) => messages)) {
    const name = toLabelValue(actorName); // before grouping: a series must not occur twice
    longest.set(name, Math.max(longest.get(name) ?? 0, now - since));
  }
  return Array.from(longest, ([name, ms]) => sample(ms / SECOND, { actor_name: name }));
}

function sample(value: number, labels: GaugeSample["labels"] = {}): GaugeSample {
  return { value, labels };
}
