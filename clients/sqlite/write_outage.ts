import { getLogger } from "../../platform/logging.ts";
import { errorMessage } from "../../platform/thrown.ts";
import { isTransient } from "./errors.ts";

const log = /* @__PURE__ */ getLogger("sqlite");

/** Milliseconds of waiting for the lock after which that is logged: far more than our transactions take. */
const NOTABLE_WAIT = 5_000;

/**
 * Milliseconds without a failure after which an outage is over: on a full disk, small transactions
 * still succeed between larger ones that fail.
 */
const QUIET_TIME = 5_000;

/**
 * An outage during which a database cannot be written: another program holds its lock, or its disk is
 * full. Logged once when it begins, and once when it ends.
 *
 * working ─(database locked)▶ waiting ─(5 s)▶ logged ─(transaction committed)▶ working
 * working ─(transaction failed)▶ logged ─(committed, and none failed for 5 s)▶ working
 */
export class WriteOutage {
  readonly #path: () => string;
  /** Start of the outage, by `performance.now()`. */
  #since: number | undefined;
  #isLogged = false;
  /** Time of the last failed transaction. */
  #failedAt = -Infinity;

  /** @param path Returns the path of the database. */
  constructor(path: () => string) {
    this.#path = path;
  }

  /** Notes that another program holds the lock. */
  waits(): void {
    const now = performance.now();
    this.#since ??= now;
    if (this.#isLogged || now - this.#since < NOTABLE_WAIT) return;
    this.#isLogged = true;
    log.warn("Waiting for the lock of {path}: another connection has held it for {seconds} s", {
      path: this.#path(),
      seconds: Math.round((now - this.#since) / 1_000),
    });
  }

  /** Notes a failed transaction. */
  failed(error: unknown): void {
    if (!isTransient(error)) return;
    this.#failedAt = performance.now();
    this.#since ??= this.#failedAt;
    if (this.#isLogged) return;
    this.#isLogged = true;
    log.error("Failed to write {path}, will retry: {reason}", {
      path: this.#path(),
      reason: errorMessage(error),
    });
  }

  /** Notes a committed transaction. */
  ended(): void {
    if (this.#since === undefined) return;
    const now = performance.now();
    if (now - this.#failedAt < QUIET_TIME) return;
    const duration = Math.round(now - this.#since);
    this.#since = undefined;
    if (!this.#isLogged) return;
    this.#isLogged = false;
    log.warn("Writing {path} again after {seconds} s", {
      path: this.#path(),
      seconds: (duration / 1_000).toFixed(1),
      duration,
    });
  }
}
