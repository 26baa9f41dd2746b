import { CANCEL_PREFIX, Cancellations } from "../core/cancellation.ts";
import type { Clock } from "../platform/clock.ts";
import type { ControlEntry, ControlStore } from "../core/control_store.ts";
import { getLogger } from "../platform/logging.ts";
import { ControlView } from "../control/view.ts";

const log = getLogger("worker", "control");

/** How many cancellations of single messages are too many to be kept in the memory of all workers. */
const MANY_CANCELLATIONS = 10_000;

/** A worker, as its {@linkcode ControlLink} sees it. */
export interface ControlledWorker {
  /** There are new cancellations. */
  cancelled(): void;
}

/**
 * What the control store says to one worker. A worker receives nothing before it has been read.
 */
export class ControlLink {
  /** What was cancelled. */
  readonly cancellations: Cancellations = new Cancellations();
  readonly #worker: ControlledWorker;
  readonly #view: ControlView;
  #willCancel = false;
  #hasWarned = false;

  /**
   * Stands between a store and a worker; `start` begins.
   *
   * @param store What the fleet is told.
   * @param clock The time that retries wait by.
   * @param worker The worker.
   */
  constructor(store: ControlStore, clock: Clock, worker: ControlledWorker) {
    this.#worker = worker;
    this.#view = new ControlView({
      store,
      clock,
      prefixes: [CANCEL_PREFIX],
      changed: (entry) => this.#changed(entry),
    });
  }

  /** Resolves when all is known, or it is stopped. */
  get ready(): Promise<void> {
    return this.#view.ready;
  }

  /** Begins to listen. */
  start(): void {
    this.#view.start();
  }

  /** Listens no more. What is known stays. */
  stop(): void {
    this.#view.stop();
  }

  #changed(entry: ControlEntry): void {
    if (!this.cancellations.apply(entry)) return;
    this.#warnOfMany();
    if (this.#willCancel) return;
    this.#willCancel = true;
    // Those of a group come together.
    queueMicrotask(() => {
      this.#willCancel = false;
      this.#worker.cancelled();
    });
  }

  #warnOfMany(): void {
    if (this.#hasWarned || this.cancellations.idCount <= MANY_CANCELLATIONS) return;
    this.#hasWarned = true;
    log.warn("More than {count} messages are cancelled one by one: cancel by actor or queue", {
      count: MANY_CANCELLATIONS,
    });
  }
}
