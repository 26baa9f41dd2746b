import { ConnectionClosed } from "../../core/errors.ts";
import { getLogger } from "../../core/logging.ts";
import { errorMessage } from "../../core/thrown.ts";
import { breakOff, type Client, openClient, type RedisSource } from "./client.ts";
import { closedFor, explain } from "./trouble.ts";

const log = getLogger("redis");

/** Whether somebody still waits for a command. */
export interface Call {
  isGivenUp: boolean;
}

/**
 * The client of a connection, opened when it is first needed; it connects again by itself
 * whenever it is cut off.
 *
 * closed for good ◀─ close() ─ away ◀─▶ up
 *
 * An outage is logged when it starts and when it ends.
 */
export class RedisLink {
  readonly #source: RedisSource;
  readonly #lost: () => void;
  #client: Client | undefined;
  #opening: Promise<void> | undefined;
  /** The attempt to connect that is under way, if somebody waits for its outcome. */
  #attempt: PromiseWithResolvers<void> | undefined;
  #isClosed = false;
  /** What the client reported last: commands that fail only say that they were given up. */
  #lastError: Error | undefined;
  /** Why the server will never do, if it said so: a database that it does not have. */
  #refusal: Error | undefined;
  /** Milliseconds, by `performance.now()`, since when it is away. */
  #awaySince: number | undefined;
  #upSince = Infinity;
  readonly #upListeners: (() => void)[] = [];

  /**
   * Stores where the servers are; who first waits for it connects.
   *
   * @param source Where the servers are.
   * @param lost Called each time it is lost.
   */
  constructor(source: RedisSource, lost: () => void) {
    this.#source = source;
    this.#lost = lost;
  }

  /** Milliseconds for which it has been up. */
  get upFor(): number {
    return Math.max(0, performance.now() - this.#upSince);
  }

  /** The client, if it is up: commands are answered now. */
  get current(): Client | undefined {
    // The client tells of a loss a moment after what was under way has failed with it.
    const isUp = this.#upSince !== Infinity && this.#client!.status === "ready";
    return isUp ? this.#client : undefined;
  }

  /** Whether it was closed for good. */
  get isClosed(): boolean {
    return this.#isClosed;
  }

  /** What the client reported last, since it was up. */
  get lastError(): Error | undefined {
    return this.#lastError;
  }

  /** Calls back each time it has come up, before any command goes through it. */
  onUp(listener: () => void): void {
    this.#upListeners.push(listener);
  }

  /**
   * Waits for the outcome of the present attempt to connect, or the next one. Commands wait
   * here, not in the client, which would run them whatever became of their caller.
   *
   * @param purpose What for: the end of "Cannot …".
   * @param call Whether somebody still waits, once it is up.
   * @returns The client.
   */
  async whenUp(purpose: string, call?: Call): Promise<Client> {
    if (this.#isClosed) throw closedFor(purpose);
    if (this.#refusal !== undefined) throw this.#refusal;
    this.#attempt ??= Promise.withResolvers();
    const { promise } = this.#attempt;
    this.#opening ??= openClient(this.#source).then((client) => {
      this.#client = client;
      this.#watch(client);
      if (this.#isClosed) client.disconnect();
    }, (error) => {
      this.#opening = undefined;
      this.#attemptEnded(error);
    });
    await promise;
    if (call?.isGivenUp) throw new ConnectionClosed(`Cannot ${purpose}: it was given up`);
    return this.#client!;
  }

  /** Ends a connection that is silent; the client makes another. */
  breakOff(reason: string): void {
    if (this.#client !== undefined) breakOff(this.#client, reason);
  }

  /** What an error of the client means for whoever gave the command. */
  explain(error: unknown, purpose: string): Error {
    if (this.#isClosed) return closedFor(purpose, error);
    const reported = this.#refusal ?? this.#lastError;
    return explain(error, reported, purpose);
  }

  /** Lets go of it for good. Commands under way fail. */
  close(): void {
    this.#isClosed = true;
    this.#client?.disconnect();
    this.#attemptEnded(closedFor("connect"));
  }

  #watch(client: Client): void {
    client.on("error", (error) => {
      this.#lastError = error;
      // ioredis would go on with database 0.
      if (/^ERR (DB index|invalid DB index|SELECT)/.test(error.message)) {
        this.#refusal = error;
        client.disconnect();
      }
    });
    client.on("ready", () => this.#isUpNow());
    client.on("close", () => this.#isAwayNow());
  }

  #isUpNow(): void {
    this.#lastError = undefined;
    this.#upSince = performance.now();
    for (const listener of this.#upListeners) listener();
    this.#attemptEnded();
    if (this.#awaySince === undefined) return;
    log.warn("Redis is back after {duration} ms", {
      duration: Math.round(performance.now() - this.#awaySince),
    });
    this.#awaySince = undefined;
  }

  #isAwayNow(): void {
    this.#lost();
    this.#upSince = Infinity;
    this.#attemptEnded(this.#lastError ?? new Error("the connection was closed"));
    if (this.#isClosed || this.#awaySince !== undefined) return;
    this.#awaySince = performance.now();
    log.error("Redis is away: {reason}", {
      reason: errorMessage(this.#lastError ?? "the connection was closed"),
      error: this.#lastError,
    });
  }

  #attemptEnded(error?: unknown): void {
    const attempt = this.#attempt;
    this.#attempt = undefined;
    if (error === undefined) attempt?.resolve();
    else attempt?.reject(error);
  }
}
