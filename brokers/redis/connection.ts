import { errorMessage } from "../../core/thrown.ts";
import { ArgumentLimit, hasLargeArgument } from "./argument_limit.ts";
import {
  type Client,
  isClusterSource,
  openListener,
  type RedisSource,
  serverOf,
} from "./client.ts";
import { type Call, RedisLink } from "./link.ts";
import { Patience } from "./patience.ts";
import type { RedisArgument, RedisReply } from "./reply.ts";
import type { Script } from "./script.ts";
import { mayHaveRun } from "./trouble.ts";
import { WatchedClient } from "./watched_client.ts";
import { Watchdog } from "./watchdog.ts";

/**
 * One connection to Redis, or one for each node of a cluster: opened when first used,
 * and again whenever it is lost. The broker and the backends of results and rate
 * limits share this class.
 */
export class RedisConnection {
  readonly #source: RedisSource;
  /** Scripts that this connection has sent; the first time a script goes as text. */
  readonly #known: Set<Script> = new Set();
  readonly #link: RedisLink;
  readonly #watchdog: Watchdog;
  readonly #patience: Patience;
  readonly #argumentLimit: ArgumentLimit = new ArgumentLimit();

  /**
   * Stores where the servers are; the first command connects.
   *
   * @param source Where the servers are.
   */
  constructor(source: RedisSource) {
    this.#source = source;
    this.#link = new RedisLink(source, () => {
      this.#known.clear();
      this.#argumentLimit.forget();
    });
    this.#watchdog = new Watchdog(() => this.#link.breakOff("the server does not answer"));
    this.#patience = new Patience(this.#link, this.#watchdog);
  }

  /** Milliseconds for which the connection has been up. */
  get upFor(): number {
    return this.#link.upFor;
  }

  /** Whether it is up: commands are answered now. */
  get isUp(): boolean {
    return this.#link.current !== undefined;
  }

  /** Whether it is known how large arguments may be: else a large one has to wait for that. */
  get isReadyForLarge(): boolean {
    return this.#argumentLimit.isKnown;
  }

  /** Whether it was closed for good. */
  get isClosed(): boolean {
    return this.#link.isClosed;
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
   * @throws {ConnectionFailed} If the server cannot be reached or refuses for now.
   * @throws {RequestRejected} If the server will never take it.
   */
  async run(
    script: Script,
    keys: readonly string[],
    args: readonly RedisArgument[],
    call?: Call,
  ): Promise<RedisReply> {
    const hasRunBefore = call?.mayHaveRun === true;
    let isWritten = false;
    try {
      const client = this.#link.current ?? await this.#link.whenUp(script.purpose, call);
      if (hasLargeArgument(args)) {
        if (!this.#argumentLimit.isKnown) await this.#learnLimit(client);
        this.#argumentLimit.check(script.purpose, args);
      }
      isWritten = true;
      if (call !== undefined) call.mayHaveRun = true;
      // Asked here, and not further down: each asynchronous function on the way of a small script
      // is a twentieth of its cost.
      this.#watchdog.asked();
      try {
        return await this.#evaluate(client, script, keys, args) as RedisReply;
      } finally {
        this.#watchdog.answered();
      }
    } catch (error) {
      const mayHave = hasRunBefore || (isWritten && mayHaveRun(error));
      if (call !== undefined) call.mayHaveRun = mayHave;
      if (!isWritten || !errorMessage(error).startsWith("NOSCRIPT")) {
        throw this.#link.explain(error, script.purpose, mayHave ? "unknown" : "none");
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
    return await this.#patience.through(script.purpose, (again, call) => {
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
    return await this.#patience.through(name, async (_again, call) => {
      try {
        const client = this.#link.current ?? await this.#link.whenUp(name, call);
        return await this.#ask(client, name, ...args);
      } catch (error) {
        throw this.#link.explain(error, name);
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
      const client = await serverOf(this.#link.current ?? await this.#link.whenUp("scan"), key);
      const args = [cursor, "MATCH", pattern, "COUNT", count];
      return await this.#ask(client, "scan", ...args);
    } catch (error) {
      throw this.#link.explain(error, "scan");
    }
  }

  /**
   * Calls back each time the connection has come up, before any command goes through it:
   * what the server knew of the last one is gone.
   *
   * @param listener What to call.
   */
  onUp(listener: () => void): void {
    this.#link.onUp(listener);
  }

  /** Lets go of the connection. Commands under way fail. */
  close(): void {
    this.#watchdog.stop();
    this.#link.close();
  }

  /**
   * Opens a client that ends with its connection, of the server that has a key.
   *
   * @param key The key.
   * @throws The same as {@linkcode RedisConnection.run}.
   */
  async openListener(key: string): Promise<Client> {
    try {
      const own = this.#link.current ?? await this.#link.whenUp("listen");
      return new WatchedClient(await openListener(this.#source, own, key));
    } catch (error) {
      throw this.#link.explain(error, "listen");
    }
  }

  #learnLimit(client: Client): Promise<number> {
    return this.#argumentLimit.learn((...command) => this.#ask(client, ...command));
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
}
