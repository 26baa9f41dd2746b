import type { Broker } from "../core/broker.ts";
import { Shutdown } from "../core/interrupt.ts";
import type { MessageProxy } from "../core/message_proxy.ts";
import type { Middleware } from "./middleware.ts";

/** Options for {@linkcode ShutdownNotifications}. */
export interface ShutdownNotificationsOptions {
  /**
   * Whether actors are told of a shutdown. A `notifyShutdown` on the actor or on
   * the message itself wins over it.
   *
   * @default {false}
   */
  notifyShutdown?: boolean;
}

/**
 * Tells running actors that the worker is shutting down: their `currentSignal()`
 * aborts with `Shutdown`. An actor that lets it through is retried elsewhere.
 */
export class ShutdownNotifications implements Middleware {
  /** Names of the actor options that this middleware reads. */
  readonly actorOptions: readonly string[] = ["notifyShutdown"];
  readonly #notifyShutdown: boolean;
  readonly #running: Set<MessageProxy> = new Set();

  /**
   * Sets the default.
   *
   * @param options Whether actors that do not say are told.
   */
  constructor(options: ShutdownNotificationsOptions = {}) {
    this.#notifyShutdown = options.notifyShutdown ?? false;
  }

  /** Notes a message that wants to be told. */
  beforeProcessMessage(broker: Broker, message: MessageProxy): void {
    if (broker.getOption(message, "notifyShutdown", this.#notifyShutdown)) {
      this.#running.add(message);
    }
  }

  /** Forgets the message. */
  afterProcessMessage(_broker: Broker, message: MessageProxy): void {
    this.#running.delete(message);
  }

  /** Forgets the message. */
  afterSkipMessage(_broker: Broker, message: MessageProxy): void {
    this.#running.delete(message);
  }

  /** Tells all that run. */
  beforeWorkerShutdown(): void {
    for (const message of this.#running) {
      message.interrupt(new Shutdown("The worker is shutting down"));
    }
  }
}
