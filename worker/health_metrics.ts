import { type Gauge, type GaugeSample, gaugesText } from "../platform/gauges.ts";
import type { Health, WorkerHealth } from "./health_report.ts";

const STATES = ["starting", "working", "quiet", "stopping"] as const;

/**
 * Gauges of workers, in the text format of Prometheus. The middleware `Prometheus`
 * counts what actors do.
 *
 * @param health The current health.
 * @param isBrokerUp Whether the broker answers a worker.
 */
export function metricsOf(
  { workers }: Health,
  isBrokerUp: (worker: WorkerHealth) => boolean,
): string {
  const working = workers.filter(({ state }) => state === "working" || state === "quiet");
  const isUp = working.some((worker) => isBrokerUp(worker));
  const gauges: readonly Gauge[] = [
    {
      name: "dramatiq_broker_up",
      help: "1 if the broker answers.",
      // Without a worker, the state of the broker is unknown.
      samples: working.length === 0 ? [] : [sample(isUp ? 1 : 0)],
    },
    {
      name: "dramatiq_workers",
      help: "Workers by state.",
      samples: STATES.map((state) =>
        sample(workers.filter((worker) => worker.state === state).length, { state })
      ),
    },
    {
      name: "dramatiq_worker_slots",
      help: "Messages that can run at once.",
      samples: [sample(sum(working, ({ slots }) => slots))],
    },
    {
      name: "dramatiq_worker_slots_in_use",
      help: "Messages that are running.",
      samples: [sample(sum(workers, ({ inFlight }) => inFlight))],
    },
    {
      name: "dramatiq_running_oldest_seconds",
      help: "Longest time for which a message has been running.",
      samples: oldestByActor(workers),
    },
  ];
  return gaugesText(gauges);
}

function sample(value: number, labels: GaugeSample["labels"] = {}): GaugeSample {
  return { value, labels };
}

function sum(workers: readonly WorkerHealth[], valueOf: (worker: WorkerHealth) => number): number {
  return workers.reduce((total, worker) => total + valueOf(worker), 0);
}

function oldestByActor(workers: readonly WorkerHealth[]): GaugeSample[] {
  const longest = new Map<string, number>();
  for (const { oldest } of workers) {
    if (oldest === undefined) continue;
    const { actor, runningFor } = oldest;
    longest.set(actor, Math.max(longest.get(actor) ?? 0, runningFor));
  }
  return Array.from(longest, ([actor, ms]) => sample(ms / 1_000, { actor_name: actor }));
}
