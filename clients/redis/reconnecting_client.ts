import { withDelivery } from "../../core/delivery_state.ts";
import { ConnectionClosed, ConnectionFailed, type DeliveryState } from "../../core/errors.ts";
import type { Outage } from "../../platform/outage.ts";
import { redactError, secretsOf } from "../redact.ts";
import { retryDelay } from "../../platform/retry_delay.ts";
import { adviceFor, tlsAdviceFor } from "./advice.ts";
import {
  attemptTimeout,
  breakOff,
  type Client,
  CONNECT_TIMEOUT,
  isClusterSource,
  openClient,
  optionsOf,
  peerOf,
  type RedisSource,
  unrefWhenReady,
} from "./client.ts";
import { CommandOutage } from "./command_outage.ts";
import { sentinelOptionsOf, SentinelWatch } from "./sentinel_watch.ts";
import { SeveredNodes } from "./severed_nodes.ts";
import {
  closedFor,
  explain,
  isReply,
  isShortOfReplicas,
  isTransient,
  NO_DATABASE,
  unwrapped,
  withAdvice,
} from "./errors.ts";
import { Watchdog } from "./watchdog.ts";

const REPLACED = "a Sentinel has named another master";

/** State of one attempt to run a command. */
export interface CommandState {
  /** True if the caller no longer waits for it. */
  isGivenUp: boolean;
  /** True if this call, or one before it for the same purpose, may have run on the server. */
  mayHaveRun: boolean;
}

/**
 * The client of a connection, opened on first use, which reconnects after each loss.
 *
 * down ◀─▶ up ─(close)▶ closed
 *
 * An attempt to connect has a timeout until commands can be sent, since ioredis has none for a server
 * that accepts the connection and never replies.
 *
 * An outage is logged when it starts and when it ends.
 *
 * The connection to a master that Sentinels have replaced is closed at once: that master may confirm
 * writes that it will lose, or not reply at all.
 */
export class ReconnectingClient {
  /** Outage of commands while the client is connected: to other nodes, or to a replica. */
  readonly commandOutage: CommandOutage | undefined;
  /** True if it lets the process end while it is idle. */
  readonly isUnref: boolean;
  /** Lost connections to nodes, for a cluster. */
  readonly severedNodes: SeveredNodes | undefined;
  readonly #source: RedisSource;
  readonly #lost: () => void;
  #client: Client | undefined;
  #opening: Promise<void> | undefined;
  /** Outcome of the present attempt to connect, if a command waits for it. */
  #attempt: PromiseWithResolvers<void> | undefined;
  #isClosed = false;
  /** Last error that the client emitted: those of failed commands do not name the cause. */
  #lastError: Error | undefined;
  /** Permanent error of the server: it does not have the database. */
  #refusal: Error | undefined;
  readonly #outage: Outage;
  /** Phase of the present attempt to connect; `handshake` is used with Sentinels only. */
  #phase: "none" | "connecting" | "handshake" = "none";
  /** Watches an attempt to connect. */
  readonly #attemptWatchdog: Watchdog;
  /** Watches the handshake with a master, which begins when Sentinels have given its address. */
  readonly #handshakeWatchdog: Watchdog;
  readonly #sentinelWatch: SentinelWatch | undefined;
  /** Number of clients that were replaced since the connection was last up. */
  #replacements = 0;
  #replaceTimer: ReturnType<typeof setTimeout> | undefined;
  #upSince = Infinity;
  #wasUp = false;
  readonly #upListeners: (() => void)[] = [];

  /**
   * Stores the address; the first `whenUp` connects.
   *
   * @param source Address of the servers.
   * @param outage Outage log.
   * @param lost Called each time that the connection is lost.
   * @param isUnref True if it lets the process end while it is idle.
   */
  constructor(source: RedisSource, outage: Outage, lost: () => void, isUnref = false) {
    this.#source = source;
    this.isUnref = isUnref;
    this.#lost = lost;
    this.#outage = outage;
    const sentinels = sentinelOptionsOf(source);
    if (sentinels !== undefined || this.isCluster) {
      this.commandOutage = new CommandOutage(this.#outage);
    }
    if (this.isCluster) this.severedNodes = new SeveredNodes();
    const timeout = attemptTimeout(source);
    this.#attemptWatchdog = new Watchdog(() => this.#breakOffAttempt(timeout), {
      timeout,
      isUnref,
    });
    this.#handshakeWatchdog = new Watchdog(
      () => this.#breakOffAttempt(CONNECT_TIMEOUT),
      { timeout: CONNECT_TIMEOUT, isUnref },
    );
    if (sentinels === undefined) return;
    this.#sentinelWatch = new SentinelWatch(sentinels, () => this.breakOff(REPLACED), isUnref);
  }

  /** Milliseconds for which the connection has been up. */
  get upFor(): number {
    return Math.max(0, performance.now() - this.#upSince);
  }

  /** The client, if the connection is up. */
  get current(): Client | undefined {
    // The client emits `close` a moment after its pending commands have failed: its status is current.
    const isUp = this.#upSince !== Infinity && this.#client!.status === "ready";
    return isUp ? this.#client : undefined;
  }

  /** True if `close` was called. */
  get isClosed(): boolean {
    return this.#isClosed;
  }

  /** Last error that the client emitted since the connection was last up. */
  get lastError(): Error | undefined {
    return this.#lastError;
  }

  /** Calls back each time that the connection has come up, before any command is sent. */
  onUp(listener: () => void): void {
    this.#upListeners.push(listener);
  }

  /**
   * Waits for the outcome of the present attempt to connect, or the next one. Commands wait here and not
   * in the client's own queue, which would run them even if their caller has given up.
   *
   * @param purpose Purpose of the command: the end of "Cannot …".
   * @param call The command, which may be given up meanwhile.
   * @returns The client.
   */
  async whenUp(purpose: string, call?: CommandState): Promise<Client> {
    if (this.#isClosed) throw closedFor(purpose);
    if (this.#refusal !== undefined) throw this.#refusal;
    this.#attempt ??= Promise.withResolvers();
    const { promise } = this.#attempt;
    this.#open();
    await promise;
    if (call?.isGivenUp) throw new ConnectionClosed(`Cannot ${purpose}: the call was abandoned`);
    return this.#client!;
  }

  /** Closes a silent connection; the client reconnects. */
  breakOff(reason: string): void {
    if (this.#client !== undefined) breakOff(this.#client, reason);
  }

  /** Translates an error of the client for the caller of a command. */
  explain(error: unknown, purpose: string, delivery: DeliveryState = "unknown"): Error {
    const secrets = this.#secrets();
    if (this.#isClosed) {
      return withDelivery(closedFor(purpose, redactError(error, secrets)), delivery);
    }
    const reported = this.#refusal ?? this.#lastError;
    const explained = explain(unwrapped(error), reported, purpose, delivery, secrets);
    return this.#wasUp
      ? explained
      : withAdvice(explained, adviceFor(this.#source, explained.cause));
  }

  /** Secrets to remove from errors. Not cached, since the options of a client may change. */
  #secrets(): readonly string[] {
    return secretsOf(optionsOf(this.#source));
  }

  /** True if it is connected to several nodes. */
  get isCluster(): boolean {
    return isClusterSource(this.#source);
  }

  /** True if a retry may succeed: with Sentinels also without replicas, since the master may change. */
  isTransient(error: unknown): boolean {
    if (isTransient(error)) return true;
    if (this.#sentinelWatch === undefined || !(error instanceof ConnectionFailed)) return false;
    return isReply(error.cause) && isShortOfReplicas(error.cause);
  }

  /** Closes the connection for good. Pending commands fail. */
  close(): void {
    this.#isClosed = true;
    clearTimeout(this.#replaceTimer);
    this.#enter("none");
    this.#attemptWatchdog.stop();
    this.#handshakeWatchdog.stop();
    this.#sentinelWatch?.stop();
    this.#client?.disconnect();
    this.#attemptEnded(closedFor("connect"));
  }

  #open(): void {
    this.#opening ??= openClient(this.#source).then((client) => {
      if (this.#isClosed) {
        client.on("error", () => {}); // the connection is closed
        return client.disconnect();
      }
      this.#client = client;
      this.#watch(client);
      this.#sentinelWatch?.start();
    }, (error) => {
      this.#opening = undefined;
      this.#attemptEnded(error);
    });
  }

  /** Changes the phase, with the watchdogs. */
  #enter(phase: "none" | "connecting" | "handshake"): void {
    const before = this.#phase;
    if (phase === before) return;
    this.#phase = phase;
    if (before === "none") this.#attemptWatchdog.sent();
    if (before === "handshake") this.#handshakeWatchdog.replied();
    if (phase === "handshake") this.#handshakeWatchdog.sent();
    if (phase === "none") this.#attemptWatchdog.replied();
  }

  #breakOffAttempt(timeout: number): void {
    const client = this.#client!;
    const reason = `the server did not answer within ${timeout} ms`;
    if (breakOff(client, reason) && !this.isCluster) return;
    // It has no socket to close: it waits for Sentinels or nodes. A new client replaces it.
    this.#lastError ??= new Error(reason);
    this.#client = undefined;
    client.disconnect();
    this.#handleDown();
    this.#replaceTimer = setTimeout(() => {
      this.#opening = undefined;
      this.#open();
    }, retryDelay(this.#replacements++));
  }

  #watch(client: Client): void {
    const whileCurrent = (listener: () => void) => () => {
      if (this.#client === client) listener();
    };
    this.#enter("connecting");
    this.severedNodes?.watch(client);
    if (this.isUnref) unrefWhenReady(client);
    client.on(
      "connecting",
      whileCurrent(() => {
        if (this.#phase === "none") this.#enter("connecting");
      }),
    );
    if (this.#sentinelWatch !== undefined) {
      client.on("connect", whileCurrent(() => this.#enter("handshake")));
    }
    client.on("error", (reported) => {
      // Errors after a refusal are caused by it.
      if (this.#client !== client || this.#refusal !== undefined) return;
      const error = redactError(reported, this.#secrets());
      this.#lastError = error;
      // ioredis would continue with database 0.
      if (NO_DATABASE.test(error.message)) {
        this.#refusal = error;
        client.disconnect();
      }
    });
    client.on("ready", whileCurrent(() => this.#handleReady(client)));
    client.on("close", whileCurrent(() => this.#handleDown()));
  }

  #handleReady(client: Client): void {
    // A Sentinel that does not know the new master yet may have named the old one.
    if (this.#sentinelWatch?.isReplaced(peerOf(client))) this.breakOff(REPLACED);
    else this.#handleUp();
  }

  #handleUp(): void {
    this.#enter("none");
    this.#lastError = undefined;
    this.#replacements = 0;
    this.#upSince = performance.now();
    this.#wasUp = true;
    for (const listener of this.#upListeners) listener();
    this.#attemptEnded();
    this.#outage.back(this);
  }

  #handleDown(): void {
    this.#enter("none");
    this.#lost();
    this.#upSince = Infinity;
    const reason = this.#refusal ?? this.#lastError ?? new Error("the connection was closed");
    this.#attemptEnded(reason);
    const advice = this.#wasUp ? "" : tlsAdviceFor(this.#source, reason);
    if (!this.#isClosed) this.#outage.lost(this, reason, advice);
  }

  #attemptEnded(error?: unknown): void {
    const attempt = this.#attempt;
    this.#attempt = undefined;
    if (error === undefined) attempt?.resolve();
    else attempt?.reject(error);
  }
}
