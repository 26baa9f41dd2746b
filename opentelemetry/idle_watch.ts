import type { Message } from "../core/message.ts";
import type { Measuring } from "./measuring.ts";
import type { Tracing } from "./tracing.ts";

/** Answers that one question to the API is good for, so that many messages of one time cannot hide an SDK. */
const ANSWERS = 16;

/**
 * Knows whether there is nothing to record, because no SDK is set up. To ask the API takes 40 ns, and
 * several steps of a message have to know: what was asked for a message holds for some more steps of those
 * that were made in the same millisecond. An SDK that is set up later is noticed with the next ones.
 */
export class IdleWatch {
  readonly #tracing: Tracing;
  readonly #measuring: Measuring;
  /** Timestamp of the messages for which there was none; `NaN` is that of no message. */
  #idleAt = NaN;
  #answers = 0;

  constructor(tracing: Tracing, measuring: Measuring) {
    this.#tracing = tracing;
    this.#measuring = measuring;
  }

  /** True if there is nothing to record of a message. */
  isIdle({ messageTimestamp }: Message): boolean {
    if (messageTimestamp === this.#idleAt && ++this.#answers < ANSWERS) return true;
    const isIdle = this.#tracing.tracer === undefined && this.#measuring.instruments === undefined;
    this.#idleAt = isIdle ? messageTimestamp : NaN;
    this.#answers = 0;
    return isIdle;
  }
}
