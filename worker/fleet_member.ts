import type { Broker } from "../core/broker.ts";
import type { Cancellations } from "../core/cancellations.ts";
import type { ControlStore } from "../core/control_store.ts";
import { type ControlledWorker, ControlLink } from "./control_link.ts";
import type { PausedActors } from "./paused_actors.ts";
import { WorkerReporter, type WorkerState } from "./worker_report.ts";
import { WorkerSchedules } from "./worker_schedules.ts";

/** The part of a worker that {@linkcode FleetMember} uses. */
export interface FleetWorker extends Omit<ControlledWorker, "read"> {
  /** Current state. */
  state(): WorkerState;
}

/**
 * Connects a worker to its fleet, if there is a control store: it receives the commands to the
 * fleet, reports that the worker is alive, and fires schedules.
 */
export class FleetMember {
  readonly #control: ControlLink;
  readonly #reporter: WorkerReporter;
  readonly #schedules: WorkerSchedules;

  /**
   * Stores its parts; `start` begins.
   *
   * @param broker The broker of the worker.
   * @param store The control store.
   * @param worker The worker.
   */
  constructor(broker: Broker, store: ControlStore, worker: FleetWorker) {
    const { clock, isInMemory } = broker;
    const reporter = this.#reporter = new WorkerReporter({
      store,
      clock,
      isInMemory,
      state: () => worker.state(),
    });
    this.#control = new ControlLink(store, clock, {
      cancelled: () => worker.cancelled(),
      queuePaused: (queueName, isPaused) => worker.queuePaused(queueName, isPaused),
      actorPaused: () => worker.actorPaused(),
      quieted: (isQuiet) => worker.quieted(isQuiet),
      resized: () => worker.resized(),
      read: (now) => reporter.start(now),
    }, reporter.id);
    this.#schedules = new WorkerSchedules(broker, reporter, this.#control.ready);
  }

  /** Identifies the worker. */
  get id(): string {
    return this.#reporter.id;
  }

  /** Start of the worker by the time of the store; `undefined` until that time is known. */
  get bootedAt(): number | undefined {
    return this.#reporter.bootedAt;
  }

  /** Digest of the schedules that the worker declares; `undefined` if there are none. */
  get schedules(): string | undefined {
    return this.#reporter.schedules;
  }

  /** Resolves when the commands to the fleet have been read, or it has stopped. */
  get ready(): Promise<void> {
    return this.#control.ready;
  }

  /** Cancellations that this worker knows of. */
  get cancellations(): Cancellations {
    return this.#control.cancellations;
  }

  /** Actors that are paused. */
  get pausedActors(): PausedActors {
    return this.#control.pausedActors;
  }

  /** True if the worker itself is paused. */
  get isQuiet(): boolean {
    return this.#control.isQuiet;
  }

  /** Concurrency set by the fleet; `undefined` for the one that the worker was started with. */
  get concurrency(): number | undefined {
    return this.#control.concurrency;
  }

  /** True if a queue is paused. */
  isPaused(queueName: string): boolean {
    return this.#control.isPaused(queueName);
  }

  /** Begins to listen, and to report once the commands have been read. */
  start(): void {
    this.#control.start();
  }

  /** Begins to fire schedules. */
  async startSchedules(): Promise<void> {
    await this.#schedules.start();
  }

  /** Reports the state at once. */
  report(): void {
    this.#reporter.report();
  }

  /**
   * Stops listening and firing schedules.
   *
   * @param gaveUp Ends the wait for an unavailable server.
   */
  async stop(gaveUp: Promise<void>): Promise<void> {
    this.#control.stop();
    await this.#schedules.stop(gaveUp);
  }

  /**
   * Removes the worker from the fleet, after it has stopped.
   *
   * @param gaveUp Ends the wait for an unavailable server.
   */
  async leave(gaveUp: Promise<void>): Promise<void> {
    this.#schedules.close();
    await this.#reporter.stop(gaveUp);
  }
}
