import type { Clock, Timer } from "../../platform/clock.ts";
import type { KeyNotifier } from "../../clients/redis/key_notifier.ts";
import { errorMessage } from "../../platform/thrown.ts";
import { getLogger } from "../../platform/logging.ts";

const log = /* @__PURE__ */ getLogger("control", "redis");

/** Milliseconds between two looks while Redis does not tell of changes. */
const LOOK_INTERVAL = 1_000;
/** Number of intervals to one question whether the connections live. */
const INTERVALS_PER_PING = 5;
/** Number of intervals to one look that nothing has asked for: entries expire. */
const INTERVALS_PER_LOOK = 60;

/** Options of a {@linkcode RedisControlWatch}. */
export interface RedisControlWatchOptions {
  readonly clock: Clock;
  readonly notifier: KeyNotifier;
  /** True if no other code detects that a connection of `notifier` is half-open. */
  readonly pings: boolean;
  /** The key of the version of the store. */
  readonly versionKey: string;
  /**
   * Tells watchers of changes.
   *
   * @param seen The version that they know.
   * @returns The version that they know now; nothing if they have to read everything again.
   */
  look(seen: string): Promise<string | undefined>;
  /** Has watchers read everything again. */
  reset(): void;
}

/**
 * Watches the version of a control store:
 *
 * stopped ─▶ (a read tells the version) waiting ─▶ (Redis tells, or an interval ends) looking ─▶ waiting
 *
 * Redis is asked to tell again after each look, by reading the version: a change between the look
 * and that reading is seen there.
 */
export class RedisControlWatch {
  readonly #options: RedisControlWatchOptions;
  /** The version that watchers know, `undefined` before they have read. */
  #seen: string | undefined;
  #state: "stopped" | "waiting" | "looking" = "stopped";
  /** True if something has changed since the look began that is under way. */
  #isLate = false;
  /** True if the last look failed. */
  #hasFailed = false;
  #timer: Timer | undefined;
  #intervals = 0;
  readonly #wake = (): void => void this.#look();

  /**
   * Stands by a store.
   *
   * @param options What it works with.
   */
  constructor(options: RedisControlWatchOptions) {
    this.#options = options;
  }

  /** Begins to watch. */
  start(): void {
    if (this.#state !== "stopped") return;
    this.#state = "waiting";
    this.#schedule();
  }

  /** Watches no more. */
  stop(): void {
    const { clock, notifier, versionKey } = this.#options;
    this.#state = "stopped";
    this.#seen = undefined;
    clock.clearTimer(this.#timer);
    notifier.unsubscribe(versionKey, this.#wake);
  }

  /** Notes the version that a read has found: what came later is to be told. */
  note(version: string): void {
    if (this.#state === "stopped" || this.#seen !== undefined) return;
    this.#seen = version;
    this.#expect();
  }

  #expect(): void {
    const { notifier, versionKey } = this.#options;
    notifier.expectChange(versionKey, this.#seen!, this.#wake);
  }

  #schedule(): void {
    const { clock } = this.#options;
    this.#timer = clock.setTimer(() => {
      this.#schedule();
      this.#intervalEnded();
    }, LOOK_INTERVAL);
  }

  #intervalEnded(): void {
    const { notifier, pings } = this.#options;
    this.#intervals += 1;
    if (pings && this.#intervals % INTERVALS_PER_PING === 0) notifier.ping();
    const isDue = this.#intervals % INTERVALS_PER_LOOK === 0 || !notifier.isTracking;
    if (isDue || this.#seen === undefined || this.#hasFailed) void this.#look();
  }

  /** Never rejects: the next interval looks again, and the connection logs its outages. */
  async #look(): Promise<void> {
    if (this.#state === "stopped") return;
    this.#isLate = true;
    if (this.#state === "looking") return;
    this.#state = "looking";
    const isRunning = () => this.#state === "looking";
    try {
      while (this.#isLate && isRunning()) {
        this.#isLate = false;
        await this.#lookOnce(isRunning);
      }
      this.#hasFailed = false;
    } catch (error) {
      this.#hasFailed = true;
      log.debug("Failed to poll for control entries: {reason}", {
        reason: errorMessage(error),
        error,
      });
    }
    if (!isRunning()) return;
    this.#state = "waiting";
    if (!this.#hasFailed && this.#seen !== undefined) this.#expect();
  }

  async #lookOnce(isRunning: () => boolean): Promise<void> {
    const version = await this.#options.look(this.#seen ?? "");
    if (!isRunning()) return;
    const isGap = version === undefined;
    this.#seen = version;
    // What is read from here on tells the version.
    if (isGap) this.#options.reset();
  }
}
