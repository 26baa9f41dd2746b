import type { Clock, Timer } from "../../platform/clock.ts";
import type { KeyNotifier } from "../../clients/redis/key_notifier.ts";
import { errorMessage } from "../../platform/thrown.ts";
import { getLogger } from "../../platform/logging.ts";

const log = /* @__PURE__ */ getLogger("control", "redis");

/** Milliseconds between two polls while Redis does not notify of changes. */
const POLL_INTERVAL = 1_000;
/** A ping of the connections follows this number of intervals. */
const INTERVALS_PER_PING = 5;
/** A poll follows this number of intervals even without a notification: entries expire. */
const INTERVALS_PER_POLL = 60;

/** Options of a {@linkcode RedisControlWatch}. */
export interface RedisControlWatchOptions {
  readonly clock: Clock;
  readonly notifier: KeyNotifier;
  /** True if no other code detects that a connection of `notifier` is half-open. */
  readonly pings: boolean;
  /** The key of the version of the store. */
  readonly versionKey: string;
  /**
   * Notifies watchers of changes.
   *
   * @param seen The version that they know.
   * @returns The version that they know now; `undefined` if they must read everything again.
   */
  poll(seen: string): Promise<string | undefined>;
  /** Makes watchers read everything again. */
  reset(): void;
}

/**
 * Watches the version of a control store:
 *
 * stopped ─▶ (`start`) waiting ◀─▶ (Redis notifies, or an interval ends) polling
 *
 * After each poll it subscribes to the next change by reading the version. A change between the
 * poll and that read is detected by comparing the versions.
 */
export class RedisControlWatch {
  readonly #options: RedisControlWatchOptions;
  /** The version that watchers know; `undefined` before their first read. */
  #seen: string | undefined;
  #state: "stopped" | "waiting" | "polling" = "stopped";
  /** True if there was a notification since the last poll began. */
  #isOutdated = false;
  /** True if the last poll failed. */
  #hasFailed = false;
  #timer: Timer | undefined;
  #intervals = 0;
  readonly #wake = (): void => void this.#poll();

  /**
   * Stores the options; `start` begins.
   *
   * @param options The clock, the connections, and callbacks.
   */
  constructor(options: RedisControlWatchOptions) {
    this.#options = options;
  }

  /** Starts to watch. */
  start(): void {
    if (this.#state !== "stopped") return;
    this.#state = "waiting";
    this.#schedule();
  }

  /** Stops watching. */
  stop(): void {
    const { clock, notifier, versionKey } = this.#options;
    this.#state = "stopped";
    this.#seen = undefined;
    clock.clearTimer(this.#timer);
    notifier.unsubscribe(versionKey, this.#wake);
  }

  /** Sets the version of the watchers' first read, and subscribes to later changes. */
  note(version: string): void {
    if (this.#state === "stopped" || this.#seen !== undefined) return;
    this.#seen = version;
    this.#subscribe();
  }

  #subscribe(): void {
    const { notifier, versionKey } = this.#options;
    notifier.expectChange(versionKey, this.#seen!, this.#wake);
  }

  #schedule(): void {
    const { clock } = this.#options;
    this.#timer = clock.setTimer(() => {
      this.#schedule();
      this.#intervalEnded();
    }, POLL_INTERVAL);
  }

  #intervalEnded(): void {
    const { notifier, pings } = this.#options;
    this.#intervals += 1;
    if (pings && this.#intervals % INTERVALS_PER_PING === 0) notifier.ping();
    const isDue = this.#intervals % INTERVALS_PER_POLL === 0 || !notifier.isTracking;
    if (isDue || this.#seen === undefined || this.#hasFailed) void this.#poll();
  }

  /** Never rejects: the next interval polls again, and the connection logs its outages. */
  async #poll(): Promise<void> {
    if (this.#state === "stopped") return;
    this.#isOutdated = true;
    if (this.#state === "polling") return;
    this.#state = "polling";
    const isRunning = () => this.#state === "polling";
    try {
      while (this.#isOutdated && isRunning()) {
        this.#isOutdated = false;
        await this.#pollOnce(isRunning);
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
    if (!this.#hasFailed && this.#seen !== undefined) this.#subscribe();
  }

  async #pollOnce(isRunning: () => boolean): Promise<void> {
    const version = await this.#options.poll(this.#seen ?? "");
    if (!isRunning()) return;
    const isGap = version === undefined;
    this.#seen = version;
    // After a gap, watchers read everything again, and that read sets the version.
    if (isGap) this.#options.reset();
  }
}
