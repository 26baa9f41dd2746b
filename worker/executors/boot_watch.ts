import { getLogger } from "../../platform/logging.ts";
import { remindUntilEnded } from "../../platform/slow_start.ts";
import type { Realm } from "./realm.ts";

const log = /* @__PURE__ */ getLogger("worker", "executor");

/**
 * Logs that threads or processes have not started after a while, and what the first of them is
 * waiting for: one line, however many there are.
 */
export class BootWatch {
  readonly #kind: string;
  readonly #booting: Set<Realm> = new Set();
  #end: (() => void) | undefined;

  /** @param kind Kind of the realms. */
  constructor(kind: string) {
    this.#kind = kind;
  }

  /** A realm has begun to start. */
  begin(realm: Realm): void {
    this.#booting.add(realm);
    this.#end ??= remindUntilEnded((seconds) => this.#warn(seconds));
  }

  /** A realm is ready, or has ended. */
  end(realm: Realm): void {
    this.#booting.delete(realm);
    if (this.#booting.size === 0) this.stop();
  }

  /** Forgets all realms. */
  stop(): void {
    this.#booting.clear();
    this.#end?.();
    this.#end = undefined;
  }

  #warn(seconds: number): void {
    // A quarantine may have been stopped before it was ready.
    for (const realm of this.#booting) if (!realm.isBooting) this.#booting.delete(realm);
    const [first] = this.#booting;
    if (first === undefined) return this.stop();
    log.warn("Still starting a {kind} after {seconds} s: {reason}", {
      kind: this.#kind,
      seconds,
      reason: first.bootStep ?? "it has not begun to import its modules",
    });
  }
}
