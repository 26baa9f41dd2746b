import type { Health, WorkerHealth } from "./health_report.ts";

const STATES = ["starting", "working", "quiet", "stopping"] as const;

/** A series of a gauge. */
type Sample = readonly [labels: string, value: number];

/**
 * Gauges of workers, in the text format of Prometheus. What actors do, the middleware `Prometheus`
 * counts.
 *
 * @param health The present health.
 * @param isBrokerUp Tells whether the broker answers a worker.
 */
export function metricsOf(
  { workers }: Health,
  isBrokerUp: (worker: WorkerHealth) => boolean,
): string {
  const working = workers.filter(({ state }) => state === "working" || state === "quiet");
  const isUp = working.some((worker) => isBrokerUp(worker));
  return [
    // Without a worker nobody has asked the broker.
    ...gauge(
      "dramatiq_broker_up",
      "1 if the broker answers.",
      working.length === 0 ? [] : [["", isUp ? 1 : 0]],
    ),
    ...gauge(
      "dramatiq_workers",
      "Workers by state.",
      STATES.map((state) => [
        `{state="${state}"}`,
        workers.filter((worker) => worker.state === state).length,
      ]),
    ),
    ...gauge("dramatiq_worker_slots", "Messages that can run at once.", [
      ["", sum(working, ({ slots }) => slots)],
    ]),
    ...gauge("dramatiq_worker_slots_in_use", "Messages that are running.", [
      ["", sum(workers, ({ inFlight }) => inFlight)],
    ]),
    ...gauge(
      "dramatiq_running_oldest_seconds",
      "Longest time for which a message has been running.",
      oldestByActor(workers),
    ),
  ].join("");
}

function gauge(name: string, help: string, samples: readonly Sample[]): string[] {
  if (samples.length === 0) return [];
  const lines = samples.map(([labels, value]) => `${name}${labels} ${value}\n`);
  return [`# HELP ${name} ${help}\n# TYPE ${name} gauge\n`, ...lines];
}

function sum(workers: readonly WorkerHealth[], valueOf: (worker: WorkerHealth) => number): number {
  return workers.reduce((total, worker) => total + valueOf(worker), 0);
}

function oldestByActor(workers: readonly WorkerHealth[]): Sample[] {
  const longest = new Map<string, number>();
  for (const { oldest } of workers) {
    if (oldest === undefined) continue;
    const { actor, runningFor } = oldest;
    longest.set(actor, Math.max(longest.get(actor) ?? 0, runningFor));
  }
  return Array.from(longest, ([actor, ms]) => [`{actor_name="${escapeLabel(actor)}"}`, ms / 1_000]);
}

function escapeLabel(text: string): string {
  return text.replace(/[\\"\n]/g, (one) => one === "\n" ? "\\n" : `\\${one}`);
}
