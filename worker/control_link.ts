import { Cancellations } from "../core/cancellations.ts";
import { CANCEL_PREFIX } from "../core/stored_cancellation.ts";
import { type Clock, monotonicTime, type Timer } from "../platform/clock.ts";
import type { ControlEntry, ControlStore } from "../core/control_store.ts";
import { getLogger } from "../platform/logging.ts";
import {
  PAUSE_PREFIX,
  pauseKeyOf,
  pauseTargetOf,
  type StoredPause,
  toPause,
} from "../control/pauses.ts";
import { SIZE_PREFIX, Sizes } from "../control/sizes.ts";
import { ControlView } from "../control/view.ts";
import { PausedActors } from "./paused_actors.ts";
import { runInMicrotask } from "../platform/microtask.ts";

const log = /* @__PURE__ */ getLogger("worker", "control");

/** Number of cancellations of single messages above which a worker, which keeps them in memory, warns. */
const MANY_CANCELLATIONS = 10_000;

const NO_REASON = "no reason given";

/** The part of a worker that {@linkcode ControlLink} uses. */
export interface ControlledWorker {
  /** Called after new cancellations. */
  cancelled(): void;
  /** Called after a queue was paused or resumed. */
  queuePaused(queueName: string, isPaused: boolean): void;
  /** Called after an actor was paused. */
  actorPaused(): void;
  /** Called after the worker itself was paused or resumed. */
  quieted(isQuiet: boolean): void;
  /** Called after the concurrency of the worker was changed. */
  resized(): void;
  /** Called when the store has been read, with its time. */
  read(now: number): void;
}

/**
 * Link of one worker to the control store. A worker receives no messages before it has read the store.
 */
export class ControlLink {
  /** Cancellations. */
  readonly cancellations: Cancellations = new Cancellations();
  /** Actors that are paused. */
  readonly pausedActors: PausedActors = new PausedActors(() => this.#now);
  readonly #clock: Clock;
  readonly #worker: ControlledWorker;
  readonly #sizes: Sizes;
  #concurrency: number | undefined;
  /** Names of paused queues. */
  readonly #paused: Set<string> = new Set();
  /** By key of the entry. */
  readonly #resumeTimers: Map<string, Timer> = new Map();
  /** The time of the store minus monotonic time. */
  #offset: number;
  readonly #view: ControlView;
  /** The key of its own pause. */
  readonly #pauseKey: string;
  #isQuiet = false;
  #willCancel = false;
  #hasWarned = false;

  /**
   * Stores its parts; `start` begins to listen.
   *
   * @param store The control store of the fleet.
   * @param clock The clock for the waits between attempts.
   * @param worker The worker.
   * @param id Identifies the worker.
   */
  constructor(store: ControlStore, clock: Clock, worker: ControlledWorker, id: string) {
    this.#sizes = new Sizes(id);
    this.#pauseKey = pauseKeyOf(id);
    this.#clock = clock;
    this.#worker = worker;
    this.#offset = clock.now() - monotonicTime(clock);
    this.#view = new ControlView({
      store,
      clock,
      prefixes: [CANCEL_PREFIX, PAUSE_PREFIX, SIZE_PREFIX],
      changed: (entry) => this.#changed(entry),
      read: (now) => {
        this.#offset = now - monotonicTime(clock);
        worker.read(now);
      },
    });
  }

  /** Resolves when the store has been read, or the link has stopped. */
  get ready(): Promise<void> {
    return this.#view.ready;
  }

  /** Begins to listen. */
  start(): void {
    this.#view.start();
  }

  /** Stops listening, and keeps what it has read. */
  stop(): void {
    this.#view.stop();
    for (const timer of this.#resumeTimers.values()) this.#clock.clearTimer(timer);
  }

  /** True if a queue is paused. */
  isPaused(queueName: string): boolean {
    return this.#paused.has(queueName);
  }

  /** True if the worker itself is paused. */
  get isQuiet(): boolean {
    return this.#isQuiet;
  }

  /** Concurrency set by the fleet; `undefined` for the one that the worker was started with. */
  get concurrency(): number | undefined {
    return this.#concurrency;
  }

  #changed(entry: ControlEntry): void {
    if (entry.key.startsWith(SIZE_PREFIX)) return this.#sizeChanged(entry);
    if (entry.key === this.#pauseKey) return this.#quietChanged(entry);
    if (pauseTargetOf(entry.key) !== undefined) {
      return this.#pauseChanged(entry.key, toPause(entry));
    }
    if (!this.cancellations.apply(entry)) return;
    this.#warnOfMany();
    if (this.#willCancel) return;
    this.#willCancel = true;
    // The cancellations of a group arrive together.
    runInMicrotask(() => {
      this.#willCancel = false;
      this.#worker.cancelled();
    });
  }

  #quietChanged({ value }: ControlEntry): void {
    const isQuiet = value !== null;
    if (isQuiet === this.#isQuiet) return;
    this.#isQuiet = isQuiet;
    const { reason = NO_REASON } = (value ?? {}) as { reason?: unknown };
    log.info(isQuiet ? "Quieted this worker: {reason}" : "Resumed this worker", { reason });
    this.#worker.quieted(isQuiet);
  }

  #sizeChanged(entry: ControlEntry): void {
    this.#sizes.apply(entry);
    const { concurrency } = this.#sizes;
    if (concurrency === this.#concurrency) return;
    this.#concurrency = concurrency;
    this.#worker.resized();
  }

  /** The time of the store. */
  get #now(): number {
    return this.#offset + monotonicTime(this.#clock);
  }

  #pauseChanged(key: string, stored: StoredPause | undefined): void {
    this.#clock.clearTimer(this.#resumeTimers.get(key));
    this.#resumeTimers.delete(key);
    const left = stored?.until === undefined ? Infinity : stored.until - this.#now;
    const pause = left > 0 ? stored : undefined;
    if (pause !== undefined && left !== Infinity) {
      // The entry expires then, but the notification may be late.
      const resume = () => this.#pauseChanged(key, undefined);
      this.#resumeTimers.set(key, this.#clock.setTimer(resume, left));
    }
    const { queue, actor } = pauseTargetOf(key)!;
    if (queue !== undefined) this.#queueChanged(queue, pause);
    else this.#actorChanged(actor!, pause);
  }

  #queueChanged(queueName: string, pause: StoredPause | undefined): void {
    const isPaused = pause !== undefined;
    if (isPaused === this.#paused.has(queueName)) return;
    if (isPaused) this.#paused.add(queueName);
    else this.#paused.delete(queueName);
    log.info(isPaused ? "Paused queue {queue}: {reason}" : "Resumed queue {queue}", {
      queue: queueName,
      reason: pause?.reason ?? NO_REASON,
    });
    this.#worker.queuePaused(queueName, isPaused);
  }

  #actorChanged(actorName: string, pause: StoredPause | undefined): void {
    const isPaused = pause !== undefined;
    const wasPaused = this.pausedActors.delayOf(actorName) !== undefined;
    this.pausedActors.set(actorName, pause); // it may have a new end
    if (isPaused === wasPaused) return;
    log.info(isPaused ? "Paused actor {actor}: {reason}" : "Resumed actor {actor}", {
      actor: actorName,
      reason: pause?.reason ?? NO_REASON,
    });
    if (isPaused) this.#worker.actorPaused();
  }

  #warnOfMany(): void {
    if (this.#hasWarned || this.cancellations.idCount <= MANY_CANCELLATIONS) return;
    this.#hasWarned = true;
    log.warn("More than {count} messages are cancelled one by one: cancel by actor or queue", {
      count: MANY_CANCELLATIONS,
    });
  }
}
