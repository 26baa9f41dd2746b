import type { Actor } from "../core/actor.ts";
import type { Broker } from "../core/broker.ts";
import { Shutdown } from "../core/interrupt.ts";
import { assertKnownOptions, type KnownOptions } from "../core/known_options.ts";
import { about, getLogger } from "../platform/logging.ts";
import type { WorkerInfo } from "../core/middleware.ts";
import type { Middleware } from "../core/middleware.ts";
import { checkBooleanOption } from "./options.ts";

const log = /* @__PURE__ */ getLogger("middleware", "ShutdownNotifications");

/** Options for {@linkcode ShutdownNotifications}. */
export interface ShutdownNotificationsOptions {
  /**
   * True if the signal of actors aborts on shutdown. The option `notifyShutdown` of the actor or of the
   * message overrides it.
   *
   * @default {false}
   */
  notifyShutdown?: boolean;
}

const KNOWN_OPTIONS: KnownOptions<ShutdownNotificationsOptions> = {
  notifyShutdown: "boolean",
};

/**
 * Notifies running actors that the worker is shutting down: their `currentSignal()` aborts with
 * `Shutdown`. If the actor throws it, the message is retried by another worker.
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
   * @param options Default for actors without the option.
   */
  constructor(options: ShutdownNotificationsOptions = {}) {
    assertKnownOptions("ShutdownNotifications", options, KNOWN_OPTIONS);
    this.#notifyShutdown = options.notifyShutdown ?? false;
  }

  /** Refuses invalid options. */
  checkActorOptions(actor: Actor): void {
    checkBooleanOption(actor, "notifyShutdown");
  }

  /** Interrupts running messages with the option `notifyShutdown`. */
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
