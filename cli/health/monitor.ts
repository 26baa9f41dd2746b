import type { Health, WorkerHealth } from "../../worker/health_report.ts";
import type { WorkerStatus } from "../ipc.ts";
import { formatDuration } from "../status.ts";

/** Milliseconds between two polls of the worker processes. */
const INTERVAL = 5_000;

/** A worker process, as its monitor sees it. */
export interface MonitoredChild {
  readonly name: string;
  readonly pid: number;
  readonly isReady: boolean;
  readonly isStopping: boolean;
  /** When it last sent a record, or was started, by `performance.now()`. */
  readonly heardAt: number;
  /** Its last status, and when that arrived. */
  readonly lastStatus: { readonly status: WorkerStatus; readonly at: number } | undefined;
  /** Asks for its status. */
  status(): Promise<unknown>;
}

/** Options of a {@linkcode HealthMonitor}. */
export interface HealthMonitorOptions {
  /** The worker processes that there are now. */
  children(): readonly MonitoredChild[];
  /** True if the supervisor was told to stop. */
  isStopping(): boolean;
  /** Milliseconds without a record from any worker process after which they count as dead. */
  readonly liveTimeout: number;
  /** Called after each poll. */
  polled?(): void;
}

/**
 * Health of the worker processes of a supervisor, which asks them for their status every five
 * seconds. The broker has no part in whether they are alive.
 */
export class HealthMonitor {
  readonly #options: HealthMonitorOptions;
  #timer: ReturnType<typeof setInterval> | undefined;

  /** @param options What to watch. */
  constructor(options: HealthMonitorOptions) {
    this.#options = options;
  }

  /** Begins to poll. */
  start(): void {
    this.#timer ??= setInterval(() => {
      this.poll();
      this.#options.polled?.();
    }, INTERVAL);
  }

  /** Polls no more. */
  stop(): void {
    clearInterval(this.#timer);
  }

  /** Asks all worker processes that work for their status. */
  poll(): void {
    for (const child of this.#options.children()) {
      if (child.isReady) void child.status();
    }
  }

  /** Present health. */
  get health(): Health {
    const now = performance.now();
    const children = this.#options.children();
    return {
      dead: this.#reasonsOfDeath(children, now),
      isStopping: this.#options.isStopping(),
      workers: children.map((child) => toHealth(child, now)),
    };
  }

  /** A stop has a time-out of its own, and a process that is to start again is not there. */
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
    // It may have fallen silent right after the status; that is found out with the next one.
    brokerSilentFor: brokerSilentFor === 0 ? 0 : Math.round(brokerSilentFor + age),
    ...{ slots, inFlight, done, failed, retried },
    ...(oldest !== undefined && {
      oldest: { ...oldest, runningFor: Math.round(oldest.runningFor + age) },
    }),
  };
}
