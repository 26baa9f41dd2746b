import type { Health, WorkerHealth } from "../../worker/health_report.ts";
import type { WorkerStatus } from "../ipc.ts";
import { formatDuration } from "../status.ts";

/** Milliseconds between two polls of the worker processes. */
const INTERVAL = 5_000;

/** The properties of a worker process that its monitor needs. */
export interface MonitoredChild {
  readonly name: string;
  readonly pid: number;
  readonly isReady: boolean;
  readonly isStopping: boolean;
  /** When it last sent a record, or else was started, by `performance.now()`. */
  readonly heardAt: number;
  /** Its last status, and when that arrived. */
  readonly lastStatus: { readonly status: WorkerStatus; readonly at: number } | undefined;
  /** Requests its status. */
  status(): Promise<unknown>;
}

/** Options of a {@linkcode HealthMonitor}. */
export interface HealthMonitorOptions {
  /** The current worker processes. */
  children(): readonly MonitoredChild[];
  /** True if the supervisor was told to stop. */
  isStopping(): boolean;
  /** Milliseconds after which the worker processes count as dead if none sends a record. */
  readonly liveTimeout: number;
  /** Called after each poll. */
  polled?(): void;
}

/**
 * Health of the worker processes of a supervisor, from their status every five seconds. Whether
 * they count as alive does not depend on the broker.
 */
export class HealthMonitor {
  readonly #options: HealthMonitorOptions;
  #timer: ReturnType<typeof setInterval> | undefined;

  /** @param options The worker processes. */
  constructor(options: HealthMonitorOptions) {
    this.#options = options;
  }

  /** Starts to poll. */
  start(): void {
    this.#timer ??= setInterval(() => {
      this.poll();
      this.#options.polled?.();
    }, INTERVAL);
  }

  /** Stops polling. */
  stop(): void {
    clearInterval(this.#timer);
  }

  /** Requests the status of all worker processes that are ready. */
  poll(): void {
    for (const child of this.#options.children()) {
      if (child.isReady) void child.status();
    }
  }

  /** The current health. */
  get health(): Health {
    const now = performance.now();
    const children = this.#options.children();
    return {
      dead: this.#reasonsOfDeath(children, now),
      isStopping: this.#options.isStopping(),
      workers: children.map((child) => toHealth(child, now)),
    };
  }

  /**
   * Reasons if all processes are dead. Stopping ones are not considered: a stop has its own
   * timeout.
   */
  #reasonsOfDeath(children: readonly MonitoredChild[], now: number): string[] {
    const { liveTimeout, isStopping } = this.#options;
    const expected = children.filter((child) => !child.isStopping);
    if (isStopping() || expected.length === 0) return [];
    const silent = expected.filter(({ heardAt }) => now - heardAt >= liveTimeout);
    if (silent.length < expected.length) return [];
    return silent.map(({ name, heardAt }) =>
      `${name} has been silent for ${formatDuration(now - heardAt)}`
    );
  }
}

function toHealth(child: MonitoredChild, now: number): WorkerHealth {
  const { name, pid, lastStatus } = child;
  const { state, brokerSilentFor = 0, slots = 0, inFlight = 0, done = 0, failed = 0, retried = 0 } =
    lastStatus?.status ?? {};
  const oldest = lastStatus?.status.oldest;
  const age = lastStatus === undefined ? 0 : now - lastStatus.at;
  return {
    name,
    pid,
    state: !child.isReady ? "starting" : child.isStopping ? "stopping" : state ?? "working",
    silentFor: Math.round(now - child.heardAt),
    // If the broker has stopped answering since the status, the next status shows it.
    brokerSilentFor: brokerSilentFor === 0 ? 0 : Math.round(brokerSilentFor + age),
    ...{ slots, inFlight, done, failed, retried },
    ...(oldest !== undefined && {
      oldest: { ...oldest, runningFor: Math.round(oldest.runningFor + age) },
    }),
  };
}
