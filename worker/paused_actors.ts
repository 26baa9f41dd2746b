import type { Broker } from "../core/broker.ts";
import type { StoredPause } from "../control/pauses.ts";
import { about, getLogger } from "../platform/logging.ts";
import type { MessageProxy } from "../core/message_proxy.ts";
import type { Settlement } from "./settlement.ts";

const log = /* @__PURE__ */ getLogger("worker", "control");

/** Milliseconds by which a message of a paused actor is delayed: as long as the pause has lasted. */
const DELAYS = { least: 1_000, most: 60_000 };

/** The actors that are paused on all workers, as far as this worker knows. */
export class PausedActors {
  readonly #pauses: Map<string, StoredPause> = new Map();
  readonly #now: () => number;

  /** @param now Time by the clock of the control store, in milliseconds since the epoch. */
  constructor(now: () => number) {
    this.#now = now;
  }

  /** Number of paused actors. */
  get size(): number {
    return this.#pauses.size;
  }

  /** Their names. */
  get names(): string[] {
    return [...this.#pauses.keys()];
  }

  /** Notes that an actor is paused, or resumed (`undefined`). */
  set(actorName: string, pause: StoredPause | undefined): void {
    if (pause === undefined) this.#pauses.delete(actorName);
    else this.#pauses.set(actorName, pause);
  }

  /**
   * Delay for a message of an actor. It grows with the pause: after a short pause messages run soon,
   * and during a long one they are rarely stored again.
   *
   * @param actorName The actor.
   * @returns Milliseconds; `undefined` if the actor is not paused.
   */
  delayOf(actorName: string): number | undefined {
    const pause = this.#pauses.get(actorName);
    if (pause === undefined) return undefined;
    const now = this.#now();
    const delay = Math.min(Math.max(now - pause.since, DELAYS.least), DELAYS.most);
    return pause.until === undefined ? delay : Math.max(0, Math.min(delay, pause.until - now));
  }
}

/**
 * Moves a message that has not begun to the delay queue. Never rejects.
 *
 * @param broker The broker.
 * @param message The message.
 * @param settlement Settles it.
 * @param delay Milliseconds.
 */
export async function postpone(
  broker: Broker,
  message: MessageProxy,
  settlement: Settlement,
  delay: number,
): Promise<void> {
  if (settlement.isStale) return settlement.dropped(); // it is delivered again
  try {
    await broker.postpone(message, delay);
  } catch (error) {
    log.warn(
      "Failed to delay message {messageId} of paused actor {actor}: {reason}",
      about(message, error),
    );
    return settlement.settle(message, "followUpNotStored");
  }
  message.markRetried();
  settlement.settle(message, "retried");
}
