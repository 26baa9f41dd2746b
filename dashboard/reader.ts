import type { Control } from "../control/control.ts";
import type { Inspector } from "../core/inspection.ts";
import { getLogger } from "../platform/logging.ts";
import { errorMessage } from "../platform/thrown.ts";
import type { Outage, Snapshot } from "./snapshot.ts";

const log = /* @__PURE__ */ getLogger("dashboard");

/** Milliseconds for which a snapshot is reused. */
const FRESH = 1_000;
/** Milliseconds after which a reading is abandoned. */
const TIMEOUT = 2_500;
/**
 * Milliseconds between two readings. Doubles up to the maximum during outages and slow readings.
 */
const INTERVAL = 2_000;
const MAX_INTERVAL = 30_000;
/** Milliseconds above which a reading is slow: the server is under load. */
const SLOW = 250;
/** Minutes of history. */
const MINUTES = 60;

/** The latest snapshot, and the outage since, if any. */
export interface Reading {
  /** `undefined` if the broker has never answered. */
  readonly snapshot: Snapshot | undefined;
  readonly outage: Outage | undefined;
}

/**
 * Reads a broker for all viewers of a dashboard, at most once a second. Reads periodically only
 * while there are listeners.
 */
export class Reader {
  readonly #inspector: Inspector;
  readonly #control: Control | undefined;
  readonly #listeners: Set<(reading: Reading) => void> = new Set();
  readonly #closed: AbortController = new AbortController();
  #reading: Reading = { snapshot: undefined, outage: undefined };
  #current: Promise<Reading> | undefined;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #interval = INTERVAL;
  #listed: readonly string[] = [];

  /** Stores the sources. */
  constructor(inspector: Inspector, control: Control | undefined) {
    this.#inspector = inspector;
    this.#control = control;
  }

  /** Number of listeners. */
  get listenerCount(): number {
    return this.#listeners.size;
  }

  /** The latest snapshot, or a new one if that is old. Never rejects. */
  async read(): Promise<Reading> {
    const { snapshot, outage } = this.#reading;
    const now = Date.now();
    const isFresh = outage === undefined
      ? snapshot !== undefined && now - snapshot.readAt < FRESH
      : now < outage.retryAt;
    return isFresh ? this.#reading : await this.#readNow();
  }

  /** Reads immediately, for example after an action. */
  async refresh(): Promise<void> {
    await this.#current;
    await this.#readNow();
  }

  /** Finds queues that neither a worker nor a sender has announced. @returns Number of new ones. */
  async discover(): Promise<number> {
    const { queues } = await this.#inspector.overview({ discover: true });
    const found = queues.map(({ queueName }) => queueName);
    const known = new Set(this.#reading.snapshot?.queues.map(({ queueName }) => queueName));
    this.#listed = found;
    await this.refresh();
    return found.filter((name) => !known.has(name)).length;
  }

  /** Calls a listener after each reading. @returns A function that removes it. */
  listen(listener: (reading: Reading) => void): () => void {
    this.#listeners.add(listener);
    if (this.#listeners.size === 1) this.#readLater(0);
    return () => {
      this.#listeners.delete(listener);
      if (this.#listeners.size > 0) return;
      clearTimeout(this.#timer);
      this.#interval = INTERVAL;
    };
  }

  /** Stops reading. */
  close(): void {
    this.#closed.abort();
    this.#listeners.clear();
    clearTimeout(this.#timer);
  }

  #readLater(delay: number): void {
    clearTimeout(this.#timer);
    if (this.#listeners.size === 0 || this.#closed.signal.aborted) return;
    this.#timer = setTimeout(async () => {
      await this.#readNow();
      this.#readLater(this.#interval);
    }, delay);
  }

  #readNow(): Promise<Reading> {
    if (this.#closed.signal.aborted) return Promise.resolve(this.#reading);
    this.#current ??= this.#readOnce().finally(() => this.#current = undefined);
    return this.#current;
  }

  async #readOnce(): Promise<Reading> {
    const start = performance.now();
    const timeout = new AbortController();
    const late = new Error(`no answer within ${TIMEOUT} ms`);
    const timer = setTimeout(() => timeout.abort(late), TIMEOUT);
    const { promise: over, reject } = Promise.withResolvers<never>();
    timeout.signal.addEventListener("abort", () => reject(late));
    over.catch(() => {}); // may reject after the race
    try {
      const snapshot = await Promise.race([this.#readAll(timeout.signal), over]);
      this.#note({ snapshot, outage: undefined });
      this.#setInterval(performance.now() - start > SLOW);
    } catch (error) {
      this.#setInterval(this.#reading.outage !== undefined);
      const now = Date.now();
      const since = this.#reading.outage?.since ?? now;
      const outage = { since, reason: errorMessage(error), retryAt: now + this.#interval };
      this.#note({ snapshot: this.#reading.snapshot, outage });
    } finally {
      clearTimeout(timer);
    }
    return this.#reading;
  }

  #setInterval(isSlow: boolean): void {
    this.#interval = isSlow ? Math.min(2 * this.#interval, MAX_INTERVAL) : INTERVAL;
  }

  #note(reading: Reading): void {
    if (this.#closed.signal.aborted) return; // a reading during `close` may fail
    const before = this.#reading.outage;
    this.#reading = reading;
    const { outage } = reading;
    if (before === undefined && outage !== undefined) {
      log.warn("Lost the broker of the dashboard: {reason}", { reason: outage.reason });
    } else if (before !== undefined && outage === undefined) {
      log.info("The broker of the dashboard answers again after {seconds} s", {
        seconds: (Date.now() - before.since) / 1_000,
      });
    }
    for (const listener of this.#listeners) listener(reading);
  }

  async #readAll(signal: AbortSignal): Promise<Snapshot> {
    const inspector = this.#inspector;
    const can = inspector.abilities;
    const [overview, workers, history, paused] = await Promise.all([
      inspector.overview({ signal, queueNames: this.#listed }),
      can.has("workers") ? inspector.workers({ signal }) : undefined,
      can.has("history") ? inspector.history(MINUTES, { signal }) : undefined,
      this.#control?.paused(),
    ]);
    return {
      now: overview.now,
      readAt: Date.now(),
      queues: overview.queues,
      isPartial: overview.isPartial,
      paused: paused &&
        new Map(paused.flatMap((one) => one.queue === undefined ? [] : [[one.queue, one]])),
      pausedActors: paused &&
        new Map(paused.flatMap((one) => one.actor === undefined ? [] : [[one.actor, one]])),
      workers,
      history,
    };
  }
}
