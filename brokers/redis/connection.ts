import { ConnectionClosed, ConnectionFailed } from "../../core/errors.ts";
import { getLogger } from "../../core/logging.ts";
import { errorMessage } from "../../core/thrown.ts";
import {
  breakOff,
  type Client,
  isClusterSource,
  openClient,
  openListener,
  type RedisSource,
  retryDelay,
  serverOf,
} from "./client.ts";
import type { RedisArgument, RedisReply } from "./reply.ts";
import type { Script } from "./script.ts";
import { closedFor, explain, mayPass } from "./trouble.ts";
import { Watchdog } from "./watchdog.ts";

const log = getLogger("redis");

/** Milliseconds in which a server may come back before a command is given up. */
const PATIENCE = 5_000;

/** Whether somebody still waits for a command. */
interface Call {
  isGivenUp: boolean;
}

/**
 * One connection to Redis, or one for each node of a cluster: opened when first used,
 * and again whenever it is lost. The broker and the backends of results and rate
 * limits share this class.
 *
 * closed for good ◀─ close() ─ away ◀─▶ up
 *
 * An outage is logged when it starts and when it ends.
 */
export class RedisConnection {
  readonly #source: RedisSource;
  #client: Client | undefined;
  #opening: Promise<void> | undefined;
  /** The attempt to connect that is under way, if somebody waits for its outcome. */
  #attempt: PromiseWithResolvers<void> | undefined;
  #isClosed = false;
  /** Scripts that this connection has sent; the first time a script goes as text. */
  readonly #known: Set<Script> = new Set();
  /** What the client reported last: commands that fail only say that they were given up. */
  #lastError: Error | undefined;
  /** Why the server will never do, if it said so: a database that it does not have. */
  #refusal: Error | undefined;
  /** Milliseconds, by `performance.now()`, since when it is away. */
  #awaySince: number | undefined;
  #upSince = Infinity;
  readonly #upListeners: (() => void)[] = [];
  readonly #watchdog: Watchdog = new Watchdog(() => {
    if (this.#client !== undefined) breakOff(this.#client, "the server does not answer");
  });

  /**
   * Stores where the servers are; the first command connects.
   *
   * @param source Where the servers are.
   */
  constructor(source: RedisSource) {
    this.#source = source;
  }

  /** Milliseconds for which the connection has been up. */
  get upFor(): number {
    return Math.max(0, performance.now() - this.#upSince);
  }

  /** Whether it is up: commands are answered now. */
  get isUp(): boolean {
    // The client tells of a loss a moment after what was under way has failed with it.
    return this.#upSince !== Infinity && this.#client!.status === "ready";
  }

  /** Whether it was closed for good. */
  get isClosed(): boolean {
    return this.#isClosed;
  }

  /**
   * Runs a script once. While the connection is away it waits for the next attempt to
   * connect, and fails with that.
   *
   * @param script The script.
   * @param keys Its keys.
   * @param args Its arguments.
   * @param call Whether it is still to be run, once the connection is up.
   * @returns What the script returned.
   * @throws {ConnectionClosed} If the connection was lost, or is closed; the script may
   *   have run.
   * @throws {ConnectionFailed} If the server cannot be reached or refuses.
   */
  async run(
    script: Script,
    keys: readonly string[],
    args: readonly RedisArgument[],
    call?: Call,
  ): Promise<RedisReply> {
    let client: Client | undefined;
    try {
      client = this.isUp ? this.#client! : await this.#whenUp(script.purpose, call);
      // Asked here, and not further down: each asynchronous function on the way of a small script
      // is a twentieth of its cost.
      this.#watchdog.asked();
      try {
        return await this.#evaluate(client, script, keys, args) as RedisReply;
      } finally {
        this.#watchdog.answered();
      }
    } catch (error) {
      if (client === undefined || !errorMessage(error).startsWith("NOSCRIPT")) {
        throw this.#explain(error, script.purpose);
      }
    }
    this.#known.delete(script);
    return await this.run(script, keys, args, call);
  }

  /**
   * Runs a script, and again while the server is away, for at most five seconds.
   *
   * @param script The script.
   * @param keys Its keys.
   * @param args Gives its arguments; `again` says that an earlier run may have reached the
   *   server.
   * @returns What the script returned.
   * @throws {ConnectionClosed} If the connection was lost, or is closed.
   * @throws {ConnectionFailed} If the server cannot be reached or refuses.
   */
  async runPatiently(
    script: Script,
    keys: readonly string[],
    args: (again: boolean) => readonly RedisArgument[],
  ): Promise<RedisReply> {
    // The client of a cluster sends a command again that was cut off.
    const mayRepeat = isClusterSource(this.#source);
    return await this.#patiently(script.purpose, (again, call) => {
      return this.run(script, keys, args(again || mayRepeat), call);
    });
  }

  /**
   * Runs one command that changes nothing, and again while the server is away, for at most
   * five seconds.
   *
   * @returns What the server answered.
   * @throws The same as {@linkcode RedisConnection.run}.
   */
  async command(name: string, ...args: RedisArgument[]): Promise<RedisReply> {
    return await this.#patiently(name, async (_again, call) => {
      try {
        const client = this.isUp ? this.#client! : await this.#whenUp(name, call);
        return await this.#ask(client, name, ...args);
      } catch (error) {
        throw this.#explain(error, name);
      }
    });
  }

  /**
   * Goes through the keys of a server, without making it stand still.
   *
   * @param key A key that lies on the server.
   * @param cursor Where to go on; "0" at first.
   * @param pattern What keys look like.
   * @param count How many keys to look at.
   * @returns The next cursor, and keys.
   * @throws The same as {@linkcode RedisConnection.run}.
   */
  async scan(key: string, cursor: string, pattern: string, count: number): Promise<RedisReply> {
    try {
      const client = await serverOf(this.isUp ? this.#client! : await this.#whenUp("scan"), key);
      const args = [cursor, "MATCH", pattern, "COUNT", count];
      return await this.#ask(client, "scan", ...args);
    } catch (error) {
      throw this.#explain(error, "scan");
    }
  }

  /**
   * Calls back each time the connection has come up, before any command goes through it:
   * what the server knew of the last one is gone.
   *
   * @param listener What to call.
   */
  onUp(listener: () => void): void {
    this.#upListeners.push(listener);
  }

  /** Lets go of the connection. Commands under way fail. */
  close(): void {
    this.#isClosed = true;
    this.#watchdog.stop();
    this.#client?.disconnect();
    this.#attemptEnded(closedFor("connect"));
  }

  /**
   * Opens a client that ends with its connection, of the server that has a key.
   *
   * @param key The key.
   * @throws The same as {@linkcode RedisConnection.run}.
   */
  async openListener(key: string): Promise<Client> {
    try {
      const own = this.isUp ? this.#client! : await this.#whenUp("listen");
      return await openListener(this.#source, own, key);
    } catch (error) {
      throw this.#explain(error, "listen");
    }
  }

  /** Does something, and again while the server is away, for at most five seconds. */
  async #patiently(
    purpose: string,
    attempt: (again: boolean, call: Call) => Promise<RedisReply>,
  ): Promise<RedisReply> {
    const giveUpAt = performance.now() + PATIENCE;
    let reason: unknown;
    for (let attempts = 0;; attempts++) {
      const call: Call = { isGivenUp: false };
      const late = () => reason ?? this.#silence(purpose);
      try {
        const work = attempt(attempts > 0, call);
        return await this.#withinTime(work, call, giveUpAt - performance.now(), late);
      } catch (error) {
        const delay = retryDelay(attempts);
        const left = giveUpAt - performance.now();
        if (!mayPass(error) || this.#isClosed || left <= delay) throw error;
        reason = error;
        await new Promise((resolve) => setTimeout(resolve, delay));
      }
    }
  }

  /**
   * Gives up what takes too long: the server is silent, or the connection not ready. One
   * that has many answers to give is waited for as long as they come.
   */
  async #withinTime(
    work: Promise<RedisReply>,
    call: Call,
    ms: number,
    reason: () => unknown,
  ): Promise<RedisReply> {
    let timer: ReturnType<typeof setTimeout> | undefined;
    const late = new Promise<never>((_resolve, reject) => {
      const wait = (left: number) => {
        timer = setTimeout(() => {
          const { silence } = this.#watchdog;
          if (this.isUp && silence < ms) return wait(ms - silence);
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
    const cause = this.#lastError ?? new Error("the connection is silent");
    const text = `Cannot ${purpose}: Redis did not answer within ${PATIENCE} ms`;
    return new ConnectionFailed(text, { cause });
  }

  /** A script goes as text first, so that commands after it find it in their order. */
  #evaluate(
    client: Client,
    script: Script,
    keys: readonly string[],
    args: readonly RedisArgument[],
  ): Promise<unknown> {
    if (this.#known.has(script)) {
      return client.callBuffer("evalsha", script.sha, keys.length, keys, args);
    }
    this.#known.add(script);
    return client.callBuffer("eval", script.text, keys.length, keys, args);
  }

  async #ask(client: Client, command: string, ...args: readonly unknown[]): Promise<RedisReply> {
    this.#watchdog.asked();
    try {
      return await client.callBuffer(command, ...args) as RedisReply;
    } finally {
      this.#watchdog.answered();
    }
  }

  /**
   * Waits for the outcome of the present attempt to connect, or the next one. Commands wait
   * here, not in the client, which would run them whatever became of their caller.
   */
  async #whenUp(purpose: string, call?: Call): Promise<Client> {
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

  #attemptEnded(error?: unknown): void {
    const attempt = this.#attempt;
    this.#attempt = undefined;
    if (error === undefined) attempt?.resolve();
    else attempt?.reject(error);
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
    client.on("ready", () => {
      this.#lastError = undefined;
      this.#upSince = performance.now();
      for (const listener of this.#upListeners) listener();
      this.#attemptEnded();
      if (this.#awaySince === undefined) return;
      log.warn("Redis is back after {duration} ms", {
        duration: Math.round(performance.now() - this.#awaySince),
      });
      this.#awaySince = undefined;
    });
    client.on("close", () => {
      this.#known.clear();
      this.#upSince = Infinity;
      this.#attemptEnded(this.#lastError ?? new Error("the connection was closed"));
      if (this.#isClosed || this.#awaySince !== undefined) return;
      this.#awaySince = performance.now();
      log.error("Redis is away: {reason}", {
        reason: errorMessage(this.#lastError ?? "the connection was closed"),
        error: this.#lastError,
      });
    });
  }

  /** What an error of the client means for whoever gave the command. */
  #explain(error: unknown, purpose: string): Error {
    if (this.#isClosed) return closedFor(purpose, error);
    const reported = this.#refusal ?? this.#lastError;
    return explain(error, reported, purpose);
  }
}
