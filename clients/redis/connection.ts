import { BrokerConnectionError } from "../../core/errors.ts";
import { getLogger } from "../../platform/logging.ts";
import { Outage } from "../../platform/outage.ts";
import { errorMessage } from "../../platform/thrown.ts";
import { ArgumentLimit, hasLargeArgument } from "./argument_limit.ts";
import { type Client, describe, openListener, type RedisSource, serverOf } from "./client.ts";
import { type CommandState, ReconnectingClient } from "./reconnecting_client.ts";
import { RetryPolicy } from "./retry.ts";
import { runReplicated, type WaitReplicas } from "./replication.ts";
import type { RedisArgument, RedisReply } from "./reply.ts";
import type { Script } from "./script.ts";
import { isReply, mayHaveRun, unwrapped } from "./errors.ts";
import { WatchedClient } from "./watched_client.ts";
import { Watchdog } from "./watchdog.ts";

const log = /* @__PURE__ */ getLogger("redis");

/** Options of a connection. */
export interface RedisConnectionOptions {
  /** Replicas that must have what a script has written, before it counts as run. */
  readonly waitReplicas?: Required<WaitReplicas>;
  /** Outage log of another connection to the same servers. */
  readonly outage?: Outage;
  /** True if it lets the process end while it is idle. @default {false} */
  readonly isUnref?: boolean;
}

/**
 * One connection to Redis, or one for each node of a cluster: opened when first used,
 * and again whenever it is lost. The broker and the backends of results and rate
 * limits share this class.
 */
export class RedisConnection {
  readonly #source: RedisSource;
  /** Scripts that this connection has sent; the first time a script goes as text. */
  readonly #known: Set<Script> = new Set();
  readonly #client: ReconnectingClient;
  readonly #watchdog: Watchdog;
  readonly #retry: RetryPolicy;
  readonly #argumentLimit: ArgumentLimit = new ArgumentLimit();

  readonly #waitReplicas: Required<WaitReplicas> | undefined;
  /** The outages of the servers. */
  readonly outage: Outage;

  /**
   * Stores where the servers are; the first command connects.
   *
   * @param source Where the servers are.
   * @param options What makes it different from other connections.
   */
  constructor(source: RedisSource, options: RedisConnectionOptions = {}) {
    this.#source = source;
    this.#waitReplicas = options.waitReplicas;
    this.outage = options.outage ?? new Outage(log, "Redis", describe(source));
    this.#client = new ReconnectingClient(source, this.outage, () => {
      this.#known.clear();
      this.#argumentLimit.forget();
    }, options.isUnref);
    this.#watchdog = new Watchdog(() => this.#client.breakOff("the server does not answer"));
    this.#retry = new RetryPolicy(this.#client, this.#watchdog);
  }

  /** Milliseconds for which the connection has been up. */
  get upFor(): number {
    return this.#client.upFor;
  }

  /** True if it is up: commands are answered now. */
  get isUp(): boolean {
    return this.#client.current !== undefined;
  }

  /**
   * Milliseconds for which the server has not answered: since a question that is open, or since its
   * last answer when the connection is down. 0 before the first use.
   */
  get silentFor(): number {
    const { answeredAt, waitsSince } = this.#watchdog;
    const since = this.isUp ? waitsSince : answeredAt;
    return since === undefined || since === -Infinity ? 0 : performance.now() - since;
  }

  /** True if it is known how large arguments may be: else a large one has to wait for that. */
  get isReadyForLarge(): boolean {
    return this.#argumentLimit.isKnown;
  }

  /** True if it was closed for good. */
  get isClosed(): boolean {
    return this.#client.isClosed;
  }

  /**
   * Runs a script once. While the connection is down it waits for the next attempt to
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
    call?: CommandState,
  ): Promise<RedisReply> {
    const hasRunBefore = call?.mayHaveRun === true;
    const severed = this.#client.severedNodes?.count;
    let isWritten = false;
    try {
      const client = this.#client.current ?? await this.#client.whenUp(script.purpose, call);
      if (hasLargeArgument(args)) {
        const ask = (name: string, ...rest: string[]) => this.#ask(client, name, ...rest);
        if (!this.#argumentLimit.isKnown) await this.#argumentLimit.learn(ask);
        this.#argumentLimit.check(script.purpose, args);
      }
      isWritten = true;
      if (call !== undefined) call.mayHaveRun = true;
      // Asked here, and not further down: each asynchronous function on the way of a small script
      // is a twentieth of its cost.
      this.#watchdog.asked();
      let isDone = false;
      try {
        const reply = await this.#runOn(client, script, keys, args) as RedisReply;
        isDone = true;
        if (this.#client.commandOutage?.key !== undefined) this.#client.commandOutage.done(keys[0]);
        return reply;
      } finally {
        this.#watchdog.answered(isDone);
      }
    } catch (thrown) {
      const error = unwrapped(thrown);
      const mayHave = hasRunBefore ||
        (isWritten && mayHaveRun(error) && !this.#client.severedNodes?.isUnwritten(error, severed));
      if (call !== undefined) call.mayHaveRun = mayHave;
      if (!isWritten || !errorMessage(error).startsWith("NOSCRIPT")) {
        const explained = this.#client.explain(error, script.purpose, mayHave ? "unknown" : "none");
        if (isWritten) this.#noteFailure(keys[0], explained);
        throw explained;
      }
    }
    this.#known.delete(script);
    return await this.run(script, keys, args, call);
  }

  /**
   * Runs a script, and again while the server is unavailable, for at most five seconds.
   *
   * @param script The script.
   * @param keys Its keys.
   * @param args Gives its arguments; `again` says that an earlier run may have reached the
   *   server.
   * @param since When it was first to be run, by `performance.now()`. @default Now.
   * @returns What the script returned.
   * @throws {ConnectionClosed} If the connection was lost, or is closed.
   * @throws {ConnectionFailed} If the server cannot be reached or refuses.
   */
  runWithRetry(
    script: Script,
    keys: readonly string[],
    args: (again: boolean) => readonly RedisArgument[],
    since?: number,
  ): Promise<RedisReply> {
    const attempt = (again: boolean, call: CommandState) =>
      this.run(script, keys, args(again), call);
    return this.#retry.run(script.purpose, attempt, { since });
  }

  /**
   * Runs a script again that has failed, for at most five seconds, but only as long as it cannot
   * have run.
   *
   * @param error What it has failed with.
   * @param script The script.
   * @param keys Its keys.
   * @param args Its arguments.
   * @returns What the script returned.
   * @throws The error, if the script may have run or will never do, or that of the last attempt.
   */
  async runUnlessRun(
    error: unknown,
    script: Script,
    keys: readonly string[],
    args: readonly RedisArgument[],
  ): Promise<RedisReply> {
    const hasNotRun = error instanceof BrokerConnectionError && error.delivery === "none";
    if (!hasNotRun || !this.#client.isTransient(error) || this.#client.isClosed) throw error;
    const attempt = (_again: boolean, call: CommandState) => this.run(script, keys, args, call);
    return await this.#retry.run(script.purpose, attempt, { isOnce: true });
  }

  /**
   * Runs one command that changes nothing, and again while the server is unavailable, for at most
   * five seconds.
   *
   * @param purpose What it does, for error texts: the end of "Cannot …".
   * @param name The command.
   * @param args Its arguments.
   * @returns What the server answered.
   * @throws The same as {@linkcode RedisConnection.run}.
   */
  async command(purpose: string, name: string, ...args: RedisArgument[]): Promise<RedisReply> {
    return await this.#retry.run(purpose, async (_again, call) => {
      try {
        const client = this.#client.current ?? await this.#client.whenUp(purpose, call);
        return await this.#ask(client, name, ...args);
      } catch (error) {
        throw this.#client.explain(error, purpose);
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
    const purpose = "look through keys";
    try {
      const server = this.#client.current ?? await this.#client.whenUp(purpose);
      const client = await serverOf(server, key);
      const args = [cursor, "MATCH", pattern, "COUNT", count];
      return await this.#ask(client, "scan", ...args);
    } catch (error) {
      throw this.#client.explain(error, purpose);
    }
  }

  /**
   * Calls back each time the connection has come up, before any command goes through it:
   * what the server knew of the last one is gone.
   *
   * @param listener What to call.
   */
  onUp(listener: () => void): void {
    this.#client.onUp(listener);
  }

  /** Closes the connection. Commands under way fail. */
  close(): void {
    this.#watchdog.stop();
    this.#retry.stop();
    this.#client.close();
  }

  /**
   * Opens a client that ends with its connection, of the server that has a key.
   *
   * @param key The key.
   * @throws The same as {@linkcode RedisConnection.run}.
   */
  async openListener(key: string): Promise<Client> {
    try {
      const own = this.#client.current ?? await this.#client.whenUp("listen");
      return new WatchedClient(await openListener(this.#source, own, key, this.#client.isUnref));
    } catch (error) {
      throw this.#client.explain(error, "listen");
    }
  }

  /** Notes outages of single nodes; the client notes the other kind: that all of its connections are lost. */
  #noteFailure(key: string | undefined, error: Error): void {
    const { commandOutage, isCluster, isClosed } = this.#client;
    if (commandOutage === undefined || isClosed || !this.#client.isTransient(error)) return;
    if (isCluster || isReply(error.cause)) commandOutage.failed(key, error);
  }

  #runOn(
    client: Client,
    script: Script,
    keys: readonly string[],
    args: readonly RedisArgument[],
  ): Promise<unknown> {
    if (this.#waitReplicas === undefined) return this.#evaluate(client, script, keys, args);
    return runReplicated(client, {
      purpose: script.purpose,
      key: keys[0]!,
      evaluate: (server) => this.#evaluate(server, script, keys, args),
    }, this.#waitReplicas);
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
    let reply: RedisReply | undefined;
    try {
      return reply = await client.callBuffer(command, ...args) as RedisReply;
    } finally {
      this.#watchdog.answered(reply !== undefined);
    }
  }
}
