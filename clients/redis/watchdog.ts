/** Milliseconds without a reply after which a connection counts as half-open. */
export const ANSWER_TIMEOUT = 3_000;
/** Milliseconds to a second check: replies may be unread because the event loop was blocked. */
export const SECOND_CHECK = 50;

/** Options of {@linkcode Watchdog}. */
export interface WatchdogOptions {
  /**
   * Milliseconds without a reply.
   *
   * @default {ANSWER_TIMEOUT}
   */
  readonly timeout?: number;
  /**
   * True to keep no timer while no reply is expected, so that the process can end.
   *
   * @default {false}
   */
  readonly isUnref?: boolean;
}

/** Detects that a server does not reply to pending commands. */
export class Watchdog {
  readonly #onSilence: () => void;
  readonly #timeout: number;
  /** Number of commands without a reply. */
  #pending = 0;
  /** Start of the present wait for a reply, by `performance.now()`. */
  #waitingSince = -Infinity;
  #repliedAt = -Infinity;
  #isSecondCheck = false;
  readonly #isUnref: boolean;
  #timer: ReturnType<typeof setTimeout> | undefined;

  /**
   * Watches nothing yet.
   *
   * @param onSilence Called when the timeout is over, and again each time that it is.
   * @param options Timeout, and whether the process can end meanwhile.
   */
  constructor(
    onSilence: () => void,
    { timeout = ANSWER_TIMEOUT, isUnref = false }: WatchdogOptions = {},
  ) {
    this.#onSilence = onSilence;
    this.#timeout = timeout;
    this.#isUnref = isUnref;
  }

  /** Time of the last successful reply, by `performance.now()`. */
  get repliedAt(): number {
    return this.#repliedAt;
  }

  /** Start of the wait for a reply, by `performance.now()`; `undefined` if none is pending. */
  get pendingSince(): number | undefined {
    return this.#pending > 0 ? this.#waitingSince : undefined;
  }

  /** Notes that a command was sent. */
  sent(): void {
    this.#pending += 1;
    if (this.#pending > 1) return;
    this.#waitingSince = performance.now();
    if (this.#timer === undefined) this.#watch(this.#timeout);
  }

  /**
   * Notes that a reply has arrived, or will not arrive.
   *
   * @param isDone True if the command has succeeded.
   */
  replied(isDone = false): void {
    this.#pending -= 1;
    this.#waitingSince = performance.now();
    if (isDone) this.#repliedAt = this.#waitingSince;
    this.#isSecondCheck = false;
    if (this.#isUnref && this.#pending === 0) this.stop();
  }

  /** Stops watching. */
  stop(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  #watch(ms: number): void {
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      if (this.#pending === 0) return;
      const left = this.#timeout - (performance.now() - this.#waitingSince);
      if (left > 0) return this.#watch(left);
      if (!this.#isSecondCheck) {
        this.#isSecondCheck = true;
        return this.#watch(SECOND_CHECK);
      }
      this.#waitingSince = performance.now();
      this.#isSecondCheck = false;
      this.#watch(this.#timeout);
      this.#onSilence();
    }, ms);
  }
}
