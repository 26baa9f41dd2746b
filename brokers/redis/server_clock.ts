import { type Clock, monotonicTime } from "../../platform/clock.ts";
import type { RedisConnection } from "../../clients/redis/connection.ts";
import { TIME } from "./scripts.ts";

/** Milliseconds for which a reading counts: the server's clock may be set, too. */
const READING_LIFETIME = 60_000;
/** Milliseconds by which clocks may differ and count as the same. */
const TOLERANCE = 1_000;

/** A look at the server's clock. */
interface Reading {
  /** The server's time less monotonic time, in milliseconds. */
  readonly offset: number;
  /** By how much that may be wrong: half of the time that the answer took. */
  readonly error: number;
  /** When, by monotonic time. */
  readonly at: number;
}

/**
 * The clock of the server, by which all workers and senders of a namespace go: heartbeats,
 * etas and the age of dead letters would otherwise depend on whose clock is right.
 *
 * Scripts read it themselves. Whoever has to know it before, to give a message its eta, goes by
 * the last reading and monotonic time.
 */
export class ServerClock {
  readonly #clock: Clock;
  readonly #connection: RedisConnection;
  readonly #key: string;
  #reading: Reading | undefined;
  #learning: Promise<void> | undefined;

  /**
   * Has read nothing yet.
   *
   * @param clock The clock of this process, or one that rules servers, too.
   * @param connection The connection to the server; each new one is read at once.
   * @param key Any key that is on that server.
   */
  constructor(clock: Clock, connection: RedisConnection, key: string) {
    this.#clock = clock;
    this.#connection = connection;
    this.#key = key;
    if (!clock.rulesServers) connection.onUp(() => void this.read().catch(() => {}));
  }

  /** Argument of scripts for the time: nothing, for that of its server, or another time. */
  get argument(): number | "" {
    return this.#clock.rulesServers ? this.#clock.now() : "";
  }

  /** True if {@linkcode ServerClock.lead} goes by a reading that is young enough. */
  get isKnown(): boolean {
    if (this.#clock.rulesServers) return true;
    const { at } = this.#reading ?? { at: -Infinity };
    return monotonicTime(this.#clock) - at < READING_LIFETIME;
  }

  /**
   * By how many milliseconds the server's clock is ahead of that of this process; 0 when they
   * agree, or it is not known.
   */
  get lead(): number {
    if (this.#reading === undefined || this.#clock.rulesServers) return 0;
    const { offset, error } = this.#reading;
    const lead = Math.round(monotonicTime(this.#clock) + offset - this.#clock.now());
    return Math.abs(lead) > TOLERANCE + error ? lead : 0;
  }

  /**
   * Reads the clock.
   *
   * @returns The server's time, in milliseconds since the epoch.
   * @throws {ConnectionClosed} If the connection was lost, or is closed.
   * @throws {ConnectionFailed} If the server cannot be reached.
   */
  async read(): Promise<number> {
    if (this.#clock.rulesServers) return this.#clock.now();
    const sentAt = monotonicTime(this.#clock);
    const time = await this.#connection.run(TIME, [this.#key], [""]) as number;
    this.note(time, sentAt);
    return time;
  }

  /** Resolves when what is being learned is known, or cannot be. */
  get learning(): Promise<void> | undefined {
    return this.#learning;
  }

  /**
   * Reads the clock for those who do not insist on it: when that fails, that of this process
   * must do.
   */
  learn(): Promise<void> {
    this.#learning ??= this.read().then(() => {}, () => {})
      .finally(() => this.#learning = undefined);
    return this.#learning;
  }

  /**
   * Notes a reading that came with another answer.
   *
   * @param time The server's time.
   * @param sentAt When it was asked for, by monotonic time.
   */
  note(time: number, sentAt: number): void {
    const at = monotonicTime(this.#clock);
    const error = (at - sentAt) / 2;
    const offset = time - sentAt - error;
    const last = this.#reading;
    // A quick answer says more than a slow one, unless the server's clock was set.
    const isBetter = last === undefined || error <= last.error || !this.isKnown ||
      Math.abs(offset - last.offset) > error + last.error + 1;
    if (isBetter) this.#reading = { offset, error, at };
  }
}
