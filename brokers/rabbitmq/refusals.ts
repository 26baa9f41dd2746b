import { getLogger } from "../../platform/logging.ts";
import { retryDelay } from "../../platform/retry_delay.ts";
import type { Publication } from "./publication.ts";

const log = /* @__PURE__ */ getLogger("rabbitmq");

/** Milliseconds for which a refused message is retried. */
const LONGEST_REFUSAL = 5_000;
/** Milliseconds after the end of refusals in which new ones are not logged: a full queue causes many. */
const QUIET = 10_000;

/**
 * Messages that the server has refused (`basic.nack`), until they are retried.
 *
 * refused ─▶ a pause, growing to a second ─▶ sent again, on another channel ─▶ stored
 *    ▲                                            │
 *    └────────────────────────────────────────────┴─ for five seconds ─▶ failed
 *
 * Another channel is necessary: one whose first message to a quorum queue comes between the death of the
 * queue's leader and the election of the next keeps the dead leader, and RabbitMQ 3.10 refuses all
 * messages to that queue on it as long as the node is down. A channel that is opened after the election
 * uses the new leader.
 */
export class Refusals {
  readonly #sendAgain: (publications: Publication[]) => void;
  #waiting: Publication[] = [];
  #timer: ReturnType<typeof setTimeout> | undefined;
  /** Number of pauses since the refusals began. */
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

  /** Number of waiting messages. */
  get size(): number {
    return this.#waiting.length;
  }

  /** True if messages were refused, and none of their queue was stored since. */
  get goOn(): boolean {
    return this.#queueName !== undefined;
  }

  /** When the oldest waiting message was added; `Infinity` if there is none. */
  get oldest(): number {
    return this.#waiting.reduce((oldest, one) => Math.min(oldest, one.waitsSince), Infinity);
  }

  /**
   * Adds a refused message.
   *
   * @returns Milliseconds for which it was refused, if it must fail; otherwise it will be retried.
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
    // A message that was sent before the refusals does not mean that they have ended.
    if (refusedSince !== undefined || waitsSince > this.#since) this.#end();
  }

  /**
   * Removes and returns waiting messages.
   *
   * @param addedBefore Only those that were added by then, by `performance.now()`.
   */
  take(addedBefore = Infinity): Publication[] {
    const taken = this.#waiting.filter(({ waitsSince }) => waitsSince <= addedBefore);
    this.#waiting = this.#waiting.filter(({ waitsSince }) => waitsSince > addedBefore);
    return taken;
  }

  /** Cancels the next retry. */
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
