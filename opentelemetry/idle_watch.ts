import type { Message } from "../core/message.ts";
import type { Measuring } from "./measuring.ts";
import type { Tracing } from "./tracing.ts";

/**
 * Uses of one cached answer. Limited, so that an SDK is noticed even if many messages have one
 * timestamp.
 */
const MAX_USES = 16;

/**
 * Tells whether no SDK is registered, so that there is nothing to record. Asking the API takes 40
 * ns, and several steps of each message need the answer, so it is cached for messages with the same
 * timestamp. An SDK that is registered later is noticed with one of the next messages.
 */
export class IdleWatch {
  readonly #tracing: Tracing;
  readonly #measuring: Measuring;
  /** Timestamp of messages for which no SDK was registered. `NaN` equals none. */
  #idleAt = NaN;
  #uses = 0;

  constructor(tracing: Tracing, measuring: Measuring) {
    this.#tracing = tracing;
    this.#measuring = measuring;
  }

  /** True if there is nothing to record for a message. */
  isIdle({ messageTimestamp }: Message): boolean {
    if (messageTimestamp === this.#idleAt && ++this.#uses < MAX_USES) return true;
    const isIdle = this.#tracing.tracer === undefined && this.#measuring.instruments === undefined;
    this.#idleAt = isIdle ? messageTimestamp : NaN;
    this.#uses = 0;
    return isIdle;
  }
}
