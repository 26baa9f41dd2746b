import { type Clock, monotonicTime } from "../../platform/clock.ts";
import type { RedisConnection } from "../../clients/redis/connection.ts";
import { TIME } from "./scripts.ts";

/** Milliseconds for which a reading is valid: the clock of the server may be set. */
const READING_LIFETIME = 60_000;
/** Milliseconds by which clocks may differ and count as equal. */
const TOLERANCE = 1_000;

/** One reading of the server's clock. */
interface Reading {
  /** The server's time minus monotonic time, in milliseconds. */
  readonly offset: number;
  /** Maximum error of the offset: half of the time that the reply took. */
  readonly error: number;
  /** Time of the reading, by monotonic time. */
  readonly at: number;
}

/**
 * The clock of the server, which all workers and senders of a namespace use for heartbeats, etas and
 * the age of dead letters, so that they need not agree on the time themselves.
 *
 * Scripts read it directly. Etas are computed before, from the last reading and monotonic time.
 */
export class ServerClock {
  readonly #clock: Clock;
  readonly #connection: RedisConnection;
  readonly #key: string;
  #reading: Reading | undefined;
  #learning: Promise<void> | undefined;

  /**
   * Reads the clock whenever the connection is established.
   *
   * @param clock The clock of this process, or, in tests, one that replaces the server's too.
   * @param connection The connection to the server.
   * @param key Any key of that server.
   */
  constructor(clock: Clock, connection: RedisConnection, key: string) {
    this.#clock = clock;
    this.#connection = connection;
    this.#key = key;
    if (!clock.rulesServers) connection.onUp(() => void this.read().catch(() => {}));
  }

  /** Time argument of scripts: empty for the time of the server. */
  get argument(): number | "" {
    return this.#clock.rulesServers ? this.#clock.now() : "";
  }

  /** True if {@linkcode ServerClock.lead} uses a reading that is still valid. */
  get isKnown(): boolean {
    if (this.#clock.rulesServers) return true;
    const { at } = this.#reading ?? { at: -Infinity };
    return monotonicTime(this.#clock) - at < READING_LIFETIME;
  }

  /**
   * Milliseconds by which the server's clock is ahead of this process's; 0 if they agree, or it is not
   * known.
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

  /** The pending `learn`, if any. */
  get learning(): Promise<void> | undefined {
    return this.#learning;
  }

  /**
   * Reads the clock, and never rejects: if that fails, the clock of this process is used.
   */
  learn(): Promise<void> {
    this.#learning ??= this.read().then(() => {}, () => {})
      .finally(() => this.#learning = undefined);
    return this.#learning;
  }

  /**
   * Notes a reading that came with the reply to another command.
   *
   * @param time The server's time.
   * @param sentAt When the command was sent, by monotonic time.
   */
  note(time: number, sentAt: number): void {
    const at = monotonicTime(this.#clock);
    const error = (at - sentAt) / 2;
    const offset = time - sentAt - error;
    const last = this.#reading;
    // A quick reply is more exact than a slow one. A reading outside of both errors means that the
    // server's clock was set.
    const isBetter = last === undefined || error <= last.error || !this.isKnown ||
      Math.abs(offset - last.offset) > error + last.error + 1;
    if (isBetter) this.#reading = { offset, error, at };
  }
}
