import { getLogger } from "../../core/logging.ts";
import { errorMessage } from "../../core/thrown.ts";

const log = getLogger("rabbitmq");

/**
 * The outages of one broker. When its connections are lost together, that is one outage:
 * logged when the first is lost, and when all are back.
 */
export class Outage {
  readonly #away: Set<object> = new Set();
  /** By `performance.now()`. */
  #since = 0;

  /** A connection was lost, or cannot be made. */
  lost(connection: object, error: unknown): void {
    if (this.#away.size === 0) {
      this.#since = performance.now();
      log.error("RabbitMQ is away: {reason}", { reason: errorMessage(error), error });
    }
    this.#away.add(connection);
  }

  /** A connection is up. */
  back(connection: object): void {
    if (!this.#away.delete(connection) || this.#away.size > 0) return;
    const duration = Math.round(performance.now() - this.#since);
    log.warn("RabbitMQ is back after {duration} ms", { duration });
  }

  /** Nobody needs a connection any more. */
  forget(connection: object): void {
    this.#away.delete(connection);
  }
}
