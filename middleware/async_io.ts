import type { Broker } from "../core/broker.ts";
import type { Timer } from "../platform/clock.ts";
import { assertKnownOptions, type KnownOptions } from "../core/known_options.ts";
import { getLogger } from "../platform/logging.ts";
import type { MessageProxy } from "../core/message_proxy.ts";
import type { WorkerInfo } from "../core/middleware.ts";
import type { Middleware } from "../core/middleware.ts";

const log = /* @__PURE__ */ getLogger("middleware", "AsyncIO");

/** Options for {@linkcode AsyncIO}. */
export interface AsyncIOOptions {
  /**
   * Milliseconds for which an actor may block the event loop before that is logged.
   *
   * @default {100}
   */
  threshold?: number;
}

const KNOWN_OPTIONS: KnownOptions<AsyncIOOptions> = {
  threshold: "number",
};

/**
 * Watches the event loop. Actors are always asynchronous, so nothing needs to be enabled; but an
 * actor that computes for long, or waits in a synchronous call, blocks all others. This middleware
 * logs which one it was and for how long.
 *
 * The time until an actor's first `await` is measured exactly. Later blocking is detected by a late
 * timer, and all running actors are named.
 *
 * Add it before the worker starts.
 *
 * @example Find actors that block the event loop
 * ```ts
 * import { AsyncIO, StubBroker } from "@dq/dramatiq";
 *
 * const broker = new StubBroker();
 * broker.addMiddleware(new AsyncIO({ threshold: 100 }));
 * ```
 */
export class AsyncIO implements Middleware {
  readonly #threshold: number;
  readonly #running: Set<string> = new Set();
  readonly #workers: Set<WorkerInfo> = new Set();
  #timer: Timer | undefined;
  #dueAt = 0;

  /**
   * Sets the threshold.
   *
   * @param options The threshold.
   * @throws {TypeError} If it is not a number.
   * @throws {RangeError} If it is not above 0.
   */
  constructor(options: AsyncIOOptions = {}) {
    assertKnownOptions("AsyncIO", options, KNOWN_OPTIONS);
    const { threshold = 100 } = options;
    if (!(threshold > 0)) {
      throw new RangeError(`Cannot use threshold ${threshold}: it must be above 0`);
    }
    this.#threshold = threshold;
  }

  /** Measures the time until the first `await` of the actor. */
  async wrapActor(message: MessageProxy, next: () => Promise<unknown>): Promise<unknown> {
    const label = `${message.actorName} (${message.messageId})`;
    const start = performance.now();
    const pending = next();
    const blocked = performance.now() - start;
    if (blocked >= this.#threshold) {
      this.#warn(label, blocked);
      this.#dueAt = Math.max(this.#dueAt, performance.now() + this.#threshold);
    }
    this.#running.add(label);
    try {
      return await pending;
    } finally {
      this.#running.delete(label);
    }
  }

  /** Starts to watch with the first worker. */
  afterWorkerBoot(broker: Broker, worker: WorkerInfo): void {
    this.#workers.add(worker);
    if (this.#timer === undefined) this.#watch(broker);
  }

  /** Stops watching with the last worker. */
  afterWorkerShutdown(broker: Broker, worker: WorkerInfo): void {
    this.#workers.delete(worker);
    if (this.#workers.size > 0) return;
    if (this.#timer !== undefined) broker.clock.clearTimer(this.#timer);
    this.#timer = undefined;
  }

  #watch(broker: Broker): void {
    this.#dueAt = performance.now() + this.#threshold;
    this.#timer = broker.clock.setTimer(() => {
      const late = performance.now() - this.#dueAt;
      if (late >= this.#threshold && this.#running.size > 0) {
        this.#warn([...this.#running].join(", "), late);
      }
      this.#watch(broker);
    }, this.#threshold);
  }

  #warn(actors: string, milliseconds: number): void {
    log.warn("The event loop was blocked for {milliseconds} ms, by one of: {actors}", {
      actors,
      milliseconds: Math.round(milliseconds),
    });
  }
}
