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
  /** Replicas that must have the writes of a script before `run` resolves. */
  readonly waitReplicas?: Required<WaitReplicas>;
  /** Outage log of another connection to the same servers. */
  readonly outage?: Outage;
  /** True if it lets the process end while it is idle. @default {false} */
  readonly isUnref?: boolean;
}

/**
 * One connection to Redis, or one for each node of a cluster: opened on first use, and reopened whenever
 * it is lost. The broker and the backends of results and rate limits share this class.
 */
export class RedisConnection {
  readonly #source: RedisSource;
  /** Scripts that were sent as text on this connection. */
  readonly #known: Set<Script> = new Set();
  readonly #client: ReconnectingClient;
  readonly #watchdog: Watchdog;
  readonly #retry: RetryPolicy;
  readonly #argumentLimit: ArgumentLimit = new ArgumentLimit();
  readonly #waitReplicas: Required<WaitReplicas> | undefined;
  /** Outage log of the servers. */
  readonly outage: Outage;

  /**
   * Stores the address; the first command connects.
   *
   * @param source Address of the servers.
   * @param options Replicas to wait for, and the outage log.
   */
  constructor(source: RedisSource, options: RedisConnectionOptions = {}) {
    this.#source = source;
    this.#waitReplicas = options.waitReplicas;
    this.outage = options.outage ?? new Outage(log, "Redis", describe(source));
    this.#client = new ReconnectingClient(source, this.outage, () => {
      this.#known.clear();
      this.#argumentLimit.forget();
    }, options.isUnref);
    const onSilence = () => this.#client.breakOff("the server does not answer");
    this.#watchdog = new Watchdog(onSilence, { isUnref: options.isUnref === true });
    this.#retry = new RetryPolicy(this.#client, this.#watchdog);
  }

  /** Milliseconds for which the connection has been up. */
  get upFor(): number {
    return this.#client.upFor;
  }

  /** True if the connection is up. */
  get isUp(): boolean {
    return this.#client.current !== undefined;
  }

  /**
   * Milliseconds without a reply: since the pending commands were sent, or since the last reply if the
   * connection is down. 0 before the first use.
   */
  get silentFor(): number {
    const { repliedAt, pendingSince } = this.#watchdog;
    const since = this.isUp ? pendingSince : repliedAt;
    return since === undefined || since === -Infinity ? 0 : performance.now() - since;
  }

  /** True if the argument limit is known: otherwise a large argument waits until it was read. */
  get isReadyForLarge(): boolean {
    return this.#argumentLimit.isKnown;
  }

  /** True if `close` was called. */
  get isClosed(): boolean {
    return this.#client.isClosed;
  }

  /**
   * Runs a script once. While the connection is down it waits for the next attempt to
   * connect, and fails if that does.
   *
   * @param script The script.
   * @param keys Its keys.
   * @param args Its arguments.
   * @param call State of the attempt, if the call is retried.
   * @returns The result of the script.
   * @throws {ConnectionClosed} If the connection was lost, or is closed; the script may
   *   have run.
   * @throws {ConnectionFailed} If the server cannot be reached, or refuses for the time being.
   * @throws {RequestRejected} If the server rejects it.
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
        const send = (name: string, ...rest: string[]) => this.#send(client, name, ...rest);
        if (!this.#argumentLimit.isKnown) await this.#argumentLimit.learn(send);
        this.#argumentLimit.check(script.purpose, args);
      }
      isWritten = true;
      if (call !== undefined) call.mayHaveRun = true;
      // Here, and not in a function of its own: each asynchronous function that a small script passes
      // is a twentieth of its cost.
      this.#watchdog.sent();
      let isDone = false;
      try {
        const reply = await this.#runOn(client, script, keys, args) as RedisReply;
        isDone = true;
        if (this.#client.commandOutage?.key !== undefined) this.#client.commandOutage.done(keys[0]);
        return reply;
      } finally {
        this.#watchdog.replied(isDone);
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
   * Runs a script, with retries while the server is unavailable, for at most five seconds.
   *
   * @param script The script.
   * @param keys Its keys.
   * @param args Returns its arguments; `again` is true if an earlier attempt may have reached the
   *   server.
   * @param since Start of the five seconds, by `performance.now()`. @default Now.
   * @returns The result of the script.
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
   * Retries a script that has failed, for at most five seconds, unless it may have run.
   *
   * @param error Its error.
   * @param script The script.
   * @param keys Its keys.
   * @param args Its arguments.
   * @returns The result of the script.
   * @throws The error, if the script may have run or was rejected, or that of the last attempt.
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
   * Runs one command that may run twice, with retries while the server is unavailable, for at most five
   * seconds.
   *
   * @param purpose Purpose, for error texts: the end of "Cannot …".
   * @param name The command.
   * @param args Its arguments.
   * @returns The server's reply.
   * @throws The same as {@linkcode RedisConnection.run}.
   */
  async command(purpose: string, name: string, ...args: RedisArgument[]): Promise<RedisReply> {
    return await this.#retry.run(purpose, async (_again, call) => {
      try {
        const client = this.#client.current ?? await this.#client.whenUp(purpose, call);
        return await this.#send(client, name, ...args);
      } catch (error) {
        throw this.#client.explain(error, purpose);
      }
    });
  }

  /**
   * Runs one `SCAN` over the keys of a server.
   *
   * @param key Any key of the server.
   * @param cursor The cursor; "0" at first.
   * @param pattern Pattern of the keys.
   * @param count Approximate number of keys to visit.
   * @returns The next cursor, and the keys that match.
   * @throws The same as {@linkcode RedisConnection.run}.
   */
  async scan(key: string, cursor: string, pattern: string, count: number): Promise<RedisReply> {
    const purpose = "look through keys";
    try {
      const server = this.#client.current ?? await this.#client.whenUp(purpose);
      const client = await serverOf(server, key);
      const args = [cursor, "MATCH", pattern, "COUNT", count];
      return await this.#send(client, "scan", ...args);
    } catch (error) {
      throw this.#client.explain(error, purpose);
    }
  }

  /**
   * Calls back each time that the connection has come up, before any command is sent, since the server
   * has no state of the last connection.
   *
   * @param listener The callback.
   */
  onUp(listener: () => void): void {
    this.#client.onUp(listener);
  }

  /** Closes the connection. Pending commands fail. */
  close(): void {
    this.#watchdog.stop();
    this.#retry.stop();
    this.#client.close();
  }

  /**
   * Opens a client that ends with its connection, to the server that holds a key.
   *
   * @param key The key.
   * @throws The same as {@linkcode RedisConnection.run}.
   */
  async openListener(key: string): Promise<Client> {
    try {
      const own = this.#client.current ?? await this.#client.whenUp("listen");
      const { isUnref } = this.#client;
      return new WatchedClient(await openListener(this.#source, own, key, isUnref), isUnref);
    } catch (error) {
      throw this.#client.explain(error, "listen");
    }
  }

  /** Notes the outage of a single node. The client notes the loss of all of its connections. */
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

  /** Runs a script: as text the first time, so that later calls on the connection can use its digest. */
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

  async #send(client: Client, command: string, ...args: readonly unknown[]): Promise<RedisReply> {
    this.#watchdog.sent();
    let reply: RedisReply | undefined;
    try {
      return reply = await client.callBuffer(command, ...args) as RedisReply;
    } finally {
      this.#watchdog.replied(reply !== undefined);
    }
  }
}
