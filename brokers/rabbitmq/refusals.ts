import { getLogger } from "../../platform/logging.ts";
import { retryDelay } from "../../platform/retry_delay.ts";
import type { Publication } from "./publication.ts";

const log = /* @__PURE__ */ getLogger("rabbitmq");

/** Milliseconds for which a message that the server refuses is sent again. */
const LONGEST_REFUSAL = 5_000;
/** Milliseconds after the end of refusals in which new ones are not logged: a full queue has many. */
const QUIET = 10_000;

/**
 * The messages that the server has refused (`basic.nack`), until they are sent again.
 *
 * refused ─▶ a pause, growing to a second ─▶ sent again, on another channel ─▶ stored
 *    ▲                                            │
 *    └────────────────────────────────────────────┴─ for five seconds ─▶ given up
 *
 * The other channel is what helps: one whose first message to a quorum queue comes between the
 * death of the queue's leader and the election of the next remembers the dead leader, and
 * RabbitMQ 3.10 refuses all that is sent to that queue on it for as long as the node is away. One
 * that is opened after the election knows the new leader.
 */
export class Refusals {
  readonly #sendAgain: (publications: Publication[]) => void;
  #waiting: Publication[] = [];
  #timer: ReturnType<typeof setTimeout> | undefined;
  /** Pauses since the refusals began. */
  #rounds = 0;
  /** The queue of the first message refused, while refusals go on. */
  #queueName: string | undefined;
  /** When they began, by `performance.now()`. */
  #since = 0;
  #isLogged = false;
  #quietUntil = -Infinity;

  /** @param sendAgain Sends messages, on another channel than before. */
  constructor(sendAgain: (publications: Publication[]) => void) {
    this.#sendAgain = sendAgain;
  }

  /** Number of messages that wait. */
  get size(): number {
    return this.#waiting.length;
  }

  /** True if messages were refused, and none of their queue was stored since. */
  get goOn(): boolean {
    return this.#queueName !== undefined;
  }

  /** When the first of those that wait was added; `Infinity` when none waits. */
  get oldest(): number {
    return this.#waiting.reduce((oldest, one) => Math.min(oldest, one.waitsSince), Infinity);
  }

  /**
   * Takes a message that was refused.
   *
   * @returns Milliseconds for which it was refused, if it is to be given up.
   */
  add(publication: Publication): number | undefined {
    const now = performance.now();
    publication.refusedSince ??= now;
    if (this.#queueName === undefined) this.#begin(publication.queueName, now);
    const duration = now - publication.refusedSince;
    if (duration >= LONGEST_REFUSAL) return Math.round(duration);
    this.#waiting.push(publication);
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined;
      this.#sendAgain(this.take());
    }, retryDelay(this.#rounds++));
  }

  /** Notes that a message is stored. */
  stored({ queueName, refusedSince, waitsSince }: Publication): void {
    if (queueName !== this.#queueName) return;
    // Another one may have been under way on the same channel, to a server that was well.
    if (refusedSince !== undefined || waitsSince > this.#since) this.#end();
  }

  /**
   * Gives messages that wait, which do not any more.
   *
   * @param addedBefore Leaves alone what was added later, by `performance.now()`.
   */
  take(addedBefore = Infinity): Publication[] {
    const taken = this.#waiting.filter(({ waitsSince }) => waitsSince <= addedBefore);
    this.#waiting = this.#waiting.filter(({ waitsSince }) => waitsSince > addedBefore);
    return taken;
  }

  /** Sends nothing again. */
  stop(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  #begin(queueName: string, now: number): void {
    this.#queueName = queueName;
    this.#since = now;
    this.#rounds = 0;
    this.#isLogged = now > this.#quietUntil;
    if (!this.#isLogged) return;
    log.warn(
      "Retrying messages refused by RabbitMQ for queue {queue}, on other channels, for " +
        "{duration} ms",
      { queue: queueName, duration: LONGEST_REFUSAL },
    );
  }

  #end(): void {
    const now = performance.now();
    const duration = Math.round(now - this.#since);
    if (this.#isLogged) {
      log.warn("Delivering messages to queue {queue} again after {duration} ms", {
        queue: this.#queueName,
        duration,
      });
    }
    this.#queueName = undefined;
    this.#quietUntil = now + QUIET;
  }
}
