import { withDelivery } from "../../core/delivery_state.ts";
import { ConnectionFailed } from "../../core/errors.ts";
import { retryDelay } from "../../platform/retry_delay.ts";
import type { CommandState, ReconnectingClient } from "./reconnecting_client.ts";
import { SECOND_CHECK, type Watchdog } from "./watchdog.ts";

/** Milliseconds in which a server may come back before a command is abandoned. */
const RETRY_TIMEOUT = 5_000;

/** Time to retry. */
export interface RetryPolicyOptions {
  /** True if it must not be done again once it may have been done. @default {false} */
  readonly isOnce?: boolean;
  /** When it was first to be done, by `performance.now()`. @default Now. */
  readonly since?: number | undefined;
}

/** Does things again while the server is unavailable, for at most five seconds. */
export class RetryPolicy {
  readonly #client: ReconnectingClient;
  readonly #watchdog: Watchdog;

  /**
   * Stands by a connection.
   *
   * @param client Whether the server is there, and why not.
   * @param watchdog How long it has been silent.
   */
  constructor(client: ReconnectingClient, watchdog: Watchdog) {
    this.#client = client;
    this.#watchdog = watchdog;
  }

  /**
   * Does something, and again if it fails while the server is unavailable.
   *
   * @param purpose What for: the end of "Cannot …".
   * @param attempt Does it; `again` says that it is not the first time, `call` whether
   *   somebody still waits.
   * @param options When it counts from, and whether it may be repeated.
   * @returns What it gave.
   */
  async run<T>(
    purpose: string,
    attempt: (again: boolean, call: CommandState) => Promise<T>,
    { isOnce = false, since = performance.now() }: RetryPolicyOptions = {},
  ): Promise<T> {
    // While answers come, what waits for its turn waits for no outage.
    const giveUpAt = Math.max(since, this.#watchdog.answeredAt) + RETRY_TIMEOUT;
    if (giveUpAt <= performance.now()) throw withDelivery(this.#silence(purpose), "none");
    let reason: unknown;
    let mayHaveRun = false;
    for (let attempts = 0;; attempts++) {
      const call: CommandState = { isGivenUp: false, mayHaveRun };
      const late = () =>
        withDelivery(reason ?? this.#silence(purpose), call.mayHaveRun ? "unknown" : "none");
      try {
        const work = attempt(attempts > 0, call);
        // A pause may last longer than it was to, and so be over too late.
        const left = Math.max(giveUpAt - performance.now(), 0);
        return await this.#withinTime(work, call, left, late);
      } catch (error) {
        const delay = retryDelay(attempts);
        const left = giveUpAt - performance.now();
        if (!this.#client.isTransient(error) || this.#client.isClosed || left <= delay) throw error;
        if (isOnce && call.mayHaveRun) throw error;
        reason = error;
        mayHaveRun = call.mayHaveRun;
        await new Promise((resolve) => setTimeout(resolve, delay));
      }
    }
  }

  /**
   * Gives up what takes too long: the server is silent, or the connection not ready. One
   * that has many answers to give is waited for as long as they come.
   */
  async #withinTime<T>(
    work: Promise<T>,
    call: CommandState,
    ms: number,
    reason: () => unknown,
  ): Promise<T> {
    let timer: ReturnType<typeof setTimeout> | undefined;
    const late = new Promise<never>((_resolve, reject) => {
      const wait = (left: number, isSecondLook = false) => {
        timer = setTimeout(() => {
          // Failures do not count, or else each attempt would give the next one more time.
          const sinceAnswer = performance.now() - this.#watchdog.answeredAt;
          if (this.#client.current !== undefined) {
            if (sinceAnswer < ms) return wait(ms - sinceAnswer);
            if (!isSecondLook) return wait(SECOND_CHECK, true);
          }
          call.isGivenUp = true;
          reject(reason());
        }, left);
      };
      wait(ms);
    });
    try {
      return await Promise.race([work, late]);
    } finally {
      clearTimeout(timer);
      work.catch(() => {}); // nobody listens any more to one that is late
    }
  }

  #silence(purpose: string): ConnectionFailed {
    const cause = this.#client.lastError ?? new Error("the connection is silent");
    const text = `Cannot ${purpose}: Redis did not answer within ${RETRY_TIMEOUT} ms`;
    return new ConnectionFailed(text, { cause });
  }
}
