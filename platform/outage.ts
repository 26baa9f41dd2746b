import type { Logger } from "./logging.ts";
import { errorMessage } from "./thrown.ts";

/**
 * Logs outages of one server. Connections that are lost together are one outage: it is logged when
 * the first is lost, and when all are up again.
 */
export class Outage {
  readonly #log: Logger;
  readonly #name: string;
  readonly #server: string;
  readonly #lost: Set<object> = new Set();
  /** By `performance.now()`. */
  #since = 0;

  /**
   * Stores the names of the server.
   *
   * @param log The logger.
   * @param name Completes the sentence "Lost connection to …".
   * @param server Its address, or addresses, for the `server` property of log records.
   */
  constructor(log: Logger, name: string, server: string) {
    this.#log = log;
    this.#name = name;
    this.#server = server;
  }

  /**
   * A connection was lost, or cannot be made.
   *
   * @param connection The connection.
   * @param error Why.
   * @param advice Text after the reason.
   */
  lost(connection: object, error: unknown, advice = ""): void {
    if (this.#lost.size === 0) {
      this.#since = performance.now();
      this.#log.error("Lost connection to {name}: {reason}", {
        name: this.#name,
        server: this.#server,
        reason: errorMessage(error) + advice,
        error,
      });
    }
    this.#lost.add(connection);
  }

  /** A connection is up. */
  back(connection: object): void {
    if (!this.#lost.delete(connection) || this.#lost.size > 0) return;
    const duration = Math.round(performance.now() - this.#since);
    this.#log.warn("Reconnected to {name} after {seconds} s", {
      name: this.#name,
      server: this.#server,
      seconds: (duration / 1_000).toFixed(1),
      duration,
    });
  }

  /** A connection is not needed any more. */
  forget(connection: object): void {
    this.#lost.delete(connection);
  }
}
