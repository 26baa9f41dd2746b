import { type Clock, monotonicTime } from "../platform/clock.ts";
import { getLogger } from "../platform/logging.ts";
import { errorMessage } from "../platform/thrown.ts";

const log = /* @__PURE__ */ getLogger("worker", "schedules");

/**
 * Logs outages of the server of all schedules of a worker: once when it begins, once when it ends.
 */
export class FiringOutage {
  readonly #clock: Clock;
  /** By monotonic time. */
  #since: number | undefined;

  /** @param clock The clock of this process. */
  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** The server could not be reached. */
  began(error: unknown): void {
    if (this.#since !== undefined) return;
    this.#since = monotonicTime(this.#clock);
    log.warn("Retrying to fire schedules: {reason}", { reason: errorMessage(error), error });
  }

  /** The server has answered. */
  ended(): void {
    if (this.#since === undefined) return;
    const seconds = (monotonicTime(this.#clock) - this.#since) / 1_000;
    this.#since = undefined;
    log.info("Firing schedules again after {seconds} s", { seconds: seconds.toFixed(1) });
  }
}
