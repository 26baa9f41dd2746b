import { type Clock, monotonicTime, pause, type Timer } from "../platform/clock.ts";
import type { ControlStore } from "../core/control_store.ts";
import { fromEntry, WORKER_PREFIX, type WorkerEntry } from "../control/workers.ts";
import { getLogger } from "../platform/logging.ts";
import { randomUuid } from "../platform/runtime.ts";
import { hostname, processId } from "../platform/process.ts";
import { errorMessage } from "../platform/thrown.ts";

const log = /* @__PURE__ */ getLogger("worker", "control");

/** Milliseconds between two reports, and without a report until a worker counts as dead. */
const INTERVAL = 20_000;
const TTL = 60_000;
/** Milliseconds that a stop waits for the server to remove the worker. */
const LONGEST_STOP = 1_000;

/** State of a worker for its report. */
export type WorkerState = Pick<WorkerEntry, "queues" | "concurrency" | "running">;

/** Options of a {@linkcode WorkerReporter}. */
export interface WorkerReporterOptions {
  readonly store: ControlStore;
  readonly clock: Clock;
  /** True if the store ends with this process, so that no entry can outlive its worker. */
  readonly isInMemory: boolean;
  /** Current state. */
  state(): WorkerState;
}

/** Reports to the control store that a worker is alive, until the worker stops. */
export class WorkerReporter {
  /** Identifies the worker. */
  readonly id: string = randomUuid();
  readonly #options: WorkerReporterOptions;
  #bootedAt: number | undefined;
  #schedules: string | undefined;
  /** The time of the store minus monotonic time. */
  #offset = 0;
  #timer: Timer | undefined;
  #isStopped = false;
  /** The pending report. */
  #reporting: Promise<void> = Promise.resolve();

  constructor(options: WorkerReporterOptions) {
    this.#options = options;
  }

  /**
   * Begins to report.
   *
   * @param now The time of the store.
   */
  start(now: number): void {
    if (this.#bootedAt !== undefined || this.#isStopped) return;
    this.#bootedAt = now;
    this.#offset = now - monotonicTime(this.#options.clock);
    this.#report();
  }

  /** Start of the worker by the time of the store; `undefined` until that time is known. */
  get bootedAt(): number | undefined {
    return this.#bootedAt;
  }

  /** Digest of the schedules that the worker declares; `undefined` if there are none. */
  get schedules(): string | undefined {
    return this.#schedules;
  }

  /** Reports the digest of the schedules that the worker declares. */
  declare(schedules: string): void {
    if (this.#schedules === schedules) return;
    this.#schedules = schedules;
    this.report();
  }

  /** Reports at once, after a change. */
  report(): void {
    if (this.#bootedAt === undefined || this.#isStopped) return;
    this.#options.clock.clearTimer(this.#timer);
    this.#report();
  }

  /**
   * Removes the entry, after the worker has stopped. Never rejects, and does not wait long for an
   * unavailable server: the entry expires.
   *
   * @param gaveUp Ends the wait.
   */
  async stop(gaveUp: Promise<void>): Promise<void> {
    this.#isStopped = true;
    const { clock } = this.#options;
    clock.clearTimer(this.#timer);
    if (this.#bootedAt === undefined) return;
    const removing = this.#reporting.then(() => this.#change([{ key: this.#key, value: null }]));
    const isOver = new AbortController();
    await Promise.race([removing, gaveUp, pause(clock, LONGEST_STOP, isOver.signal)]);
    isOver.abort();
  }

  get #key(): string {
    return WORKER_PREFIX + this.id;
  }

  #report(): void {
    const { clock, isInMemory } = this.#options;
    this.#reporting = this.#reportOnce();
    if (!isInMemory) this.#timer = clock.setTimer(() => this.#report(), INTERVAL);
  }

  async #reportOnce(): Promise<void> {
    const { clock, isInMemory, state } = this.#options;
    const report = {
      ...state(),
      id: this.id,
      schedules: this.#schedules,
      host: hostname(),
      pid: processId(),
      bootedAt: this.#bootedAt!,
      seenAt: Math.round(this.#offset + monotonicTime(clock)),
    };
    const value = fromEntry(report);
    await this.#change([{ key: this.#key, value, ...(!isInMemory && { ttl: TTL }) }]);
  }

  async #change(changes: Parameters<ControlStore["change"]>[0]): Promise<void> {
    try {
      await this.#options.store.change(changes);
    } catch (error) {
      log.debug("Failed to report to the control store: {reason}", {
        reason: errorMessage(error),
        error,
      });
    }
  }
}
