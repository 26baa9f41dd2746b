import type { Broker } from "../core/broker.ts";
import { Shutdown } from "../core/interrupt.ts";
import { assertKnownOptions, type KnownOptions } from "../core/known_options.ts";
import { about, getLogger } from "../platform/logging.ts";
import type { WorkerInfo } from "../core/middleware.ts";
import type { Middleware } from "../core/middleware.ts";

const log = /* @__PURE__ */ getLogger("middleware", "ShutdownNotifications");

/** Options for {@linkcode ShutdownNotifications}. */
export interface ShutdownNotificationsOptions {
  /**
   * True if the signal of actors aborts on shutdown. A `notifyShutdown` on the actor or on the
   * message itself wins over it.
   *
   * @default {false}
   */
  notifyShutdown?: boolean;
}

const KNOWN_OPTIONS: KnownOptions<ShutdownNotificationsOptions> = {
  notifyShutdown: true,
};

/**
 * Tells running actors that the worker is shutting down: their `currentSignal()`
 * aborts with `Shutdown`. An actor that lets it through is retried elsewhere.
 *
 * @example Stop early when the worker does
 * ```ts
 * import { actor, currentSignal, StubBroker } from "@dq/dramatiq";
 *
 * const broker = new StubBroker(); // `ShutdownNotifications` is in its default middleware
 * actor(async function crawl(url: string) {
 *   await fetch(url, { signal: currentSignal() });
 * }, { broker, notifyShutdown: true });
 * ```
 */
export class ShutdownNotifications implements Middleware {
  /** Names of the actor options that this middleware reads. */
  readonly actorOptions: readonly string[] = ["notifyShutdown"];
  readonly #notifyShutdown: boolean;

  /**
   * Sets the default.
   *
   * @param options Whether actors that do not say are told.
   */
  constructor(options: ShutdownNotificationsOptions = {}) {
    assertKnownOptions("ShutdownNotifications", options, KNOWN_OPTIONS);
    this.#notifyShutdown = options.notifyShutdown ?? false;
  }

  /** Tells all that run and want to be told. */
  beforeWorkerShutdown(broker: Broker, worker: WorkerInfo): void {
    for (const message of worker.running) {
      if (!broker.getOption(message, "notifyShutdown", this.#notifyShutdown)) continue;
      log.info(
        "Interrupting message {messageId} of {actor}: the worker is shutting down",
        about(message),
      );
      message.interrupt(new Shutdown("The worker is shutting down"));
    }
  }
}
