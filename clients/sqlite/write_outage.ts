import { getLogger } from "../../platform/logging.ts";
import { errorMessage } from "../../platform/thrown.ts";
import { isTransient } from "./errors.ts";

const log = /* @__PURE__ */ getLogger("sqlite");

/** Milliseconds of waiting for a lock after which the log says so: far more than any of our transactions. */
const NOTABLE_WAIT = 5_000;

/**
 * The time during which a database cannot be written: another program holds its lock, or its disk is
 * full. Logged once when it begins, and once when it ends.
 *
 * working ─(lock not had)▶ waiting ─(5 s)▶ logged ─(transaction committed)▶ working
 * working ─(transaction failed)▶ logged
 */
export class WriteOutage {
  readonly #path: () => string;
  /** Start of the outage, by `performance.now()`. */
  #since: number | undefined;
  #isLogged = false;

  /** @param path Names the database. */
  constructor(path: () => string) {
    this.#path = path;
  }

  /** Another program has the lock. */
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

  /** A transaction failed. */
  failed(error: unknown): void {
    if (this.#isLogged || !isTransient(error)) return;
    this.#since ??= performance.now();
    this.#isLogged = true;
    log.error("Failed to write {path}, will retry: {reason}", {
      path: this.#path(),
      reason: errorMessage(error),
    });
  }

  /** A transaction was committed. */
  ended(): void {
    if (this.#since === undefined) return;
    const duration = Math.round(performance.now() - this.#since);
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
