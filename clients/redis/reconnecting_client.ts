import { withDelivery } from "../../core/delivery_state.ts";
import { ConnectionClosed, ConnectionFailed, type DeliveryState } from "../../core/errors.ts";
import { NO_ADDRESS } from "../../core/global_broker.ts";
import type { Outage } from "../../platform/outage.ts";
import { redactError, secretsOf } from "../redact.ts";
import { retryDelay } from "../../platform/retry_delay.ts";
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

/** True if somebody still waits for a command. */
export interface CommandState {
  isGivenUp: boolean;
  /** True if this call, or one before it for the same purpose, may have run on the server. */
  mayHaveRun: boolean;
}

/**
 * The client of a connection, opened when it is first needed; it connects again by itself
 * whenever it is cut off.
 *
 * closed for good ◀─ close() ─ away ◀─▶ up
 *
 * An attempt to connect has a time-out of its own, from the first packet until commands are
 * answered, since the client has none for a server that accepts and never answers.
 *
 * An outage is logged when it starts and when it ends.
 *
 * A master that a Sentinel has replaced is left at once: it may go on confirming what it will
 * forget, or not answer at all.
 */
export class ReconnectingClient {
  /** Of commands that fail while the client stays connected: to other nodes, or a replica. */
  readonly commandOutage: CommandOutage | undefined;
  /** True if it lets the process end while it is idle. */
  readonly isUnref: boolean;
  /** Connections that were lost, of a cluster. */
  readonly severedNodes: SeveredNodes | undefined;
  readonly #source: RedisSource;
  readonly #lost: () => void;
  #client: Client | undefined;
  #opening: Promise<void> | undefined;
  /** The attempt to connect that is under way, if somebody waits for its outcome. */
  #attempt: PromiseWithResolvers<void> | undefined;
  #isClosed = false;
  /** Last error that the client reported: commands that fail only say that they were abandoned. */
  #lastError: Error | undefined;
  /** Why the server will never do, if it said so: a database that it does not have. */
  #refusal: Error | undefined;
  readonly #outage: Outage;
  /** Watches an attempt to connect. */
  readonly #attemptWatchdog: Watchdog;
  #isConnecting = false;
  /** Watches the handshake with a master, once the Sentinels have said where it is. */
  readonly #handshakeWatchdog: Watchdog;
  #isInHandshake = false;
  readonly #sentinelWatch: SentinelWatch | undefined;
  /** Number of clients that were replaced since it was up. */
  #replacements = 0;
  #replaceTimer: ReturnType<typeof setTimeout> | undefined;
  #upSince = Infinity;
  #wasUp = false;
  readonly #upListeners: (() => void)[] = [];

  /**
   * Stores where the servers are; who first waits for it connects.
   *
   * @param source Where the servers are.
   * @param outage Where it is noted that it is lost.
   * @param lost Called each time it is lost.
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
    this.#attemptWatchdog = new Watchdog(() => this.#breakOffAttempt(timeout), timeout);
    this.#handshakeWatchdog = new Watchdog(
      () => this.#breakOffAttempt(CONNECT_TIMEOUT),
      CONNECT_TIMEOUT,
    );
    if (sentinels === undefined) return;
    this.#sentinelWatch = new SentinelWatch(sentinels, () => this.breakOff(REPLACED));
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

  /** True if it was closed for good. */
  get isClosed(): boolean {
    return this.#isClosed;
  }

  /** Last error that the client reported, since it was up. */
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

  /** Ends a connection that is silent; the client makes another. */
  breakOff(reason: string): void {
    if (this.#client !== undefined) breakOff(this.#client, reason);
  }

  /** Translates an error of the client for the caller that gave the command. */
  explain(error: unknown, purpose: string, delivery: DeliveryState = "unknown"): Error {
    const secrets = this.#secrets();
    if (this.#isClosed) {
      return withDelivery(closedFor(purpose, redactError(error, secrets)), delivery);
    }
    const reported = this.#refusal ?? this.#lastError;
    const explained = explain(unwrapped(error), reported, purpose, delivery, secrets);
    const isUnnamed = !this.#wasUp && "isDefault" in this.#source && this.#source.isDefault;
    return isUnnamed ? withAdvice(explained, NO_ADDRESS) : explained;
  }

  /** Secrets that no error may show. The options of a client may change. */
  #secrets(): readonly string[] {
    return secretsOf(optionsOf(this.#source));
  }

  /** True if it is connected to several nodes. */
  get isCluster(): boolean {
    return isClusterSource(this.#source);
  }

  /** True if trying again may help: with Sentinels, other replicas or another master may come. */
  isTransient(error: unknown): boolean {
    if (isTransient(error)) return true;
    if (this.#sentinelWatch === undefined || !(error instanceof ConnectionFailed)) return false;
    return isReply(error.cause) && isShortOfReplicas(error.cause);
  }

  /** Lets go of it for good. Commands under way fail. */
  close(): void {
    this.#isClosed = true;
    clearTimeout(this.#replaceTimer);
    this.#connecting(false);
    this.#attemptWatchdog.stop();
    this.#handshakeWatchdog.stop();
    this.#sentinelWatch?.stop();
    this.#client?.disconnect();
    this.#attemptEnded(closedFor("connect"));
  }

  #open(): void {
    this.#opening ??= openClient(this.#source).then((client) => {
      if (this.#isClosed) {
        client.on("error", () => {}); // no one waits for it
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

  /** An attempt to connect has begun, or ended. */
  #connecting(isConnecting: boolean): void {
    if (isConnecting === this.#isConnecting) return;
    this.#isConnecting = isConnecting;
    if (isConnecting) this.#attemptWatchdog.asked();
    else this.#attemptWatchdog.answered();
    if (!isConnecting) this.#inHandshake(false);
  }

  /** It is known where the master is, and it has accepted. */
  #inHandshake(isInHandshake: boolean): void {
    if (isInHandshake === this.#isInHandshake) return;
    this.#isInHandshake = isInHandshake;
    if (isInHandshake) this.#handshakeWatchdog.asked();
    else this.#handshakeWatchdog.answered();
  }

  #breakOffAttempt(timeout: number): void {
    const client = this.#client!;
    const reason = `the server did not answer within ${timeout} ms`;
    if (breakOff(client, reason) && !this.isCluster) return;
    // It still asks where to connect to, and nothing of that can be ended: another takes over.
    this.#lastError ??= new Error(reason);
    this.#client = undefined;
    client.disconnect();
    this.#isUnavailableNow();
    this.#replaceTimer = setTimeout(() => {
      this.#opening = undefined;
      this.#open();
    }, retryDelay(this.#replacements++));
  }

  #watch(client: Client): void {
    const whileUsed = (hear: () => void) => () => {
      if (this.#client === client) hear();
    };
    this.#connecting(true);
    this.severedNodes?.watch(client);
    if (this.isUnref) unrefWhenReady(client);
    client.on("connecting", whileUsed(() => this.#connecting(true)));
    if (this.#sentinelWatch !== undefined) {
      client.on("connect", whileUsed(() => this.#inHandshake(true)));
    }
    client.on("error", (reported) => {
      // What fails after a refusal, fails because of it.
      if (this.#client !== client || this.#refusal !== undefined) return;
      const error = redactError(reported, this.#secrets());
      this.#lastError = error;
      // ioredis would go on with database 0.
      if (NO_DATABASE.test(error.message)) {
        this.#refusal = error;
        client.disconnect();
      }
    });
    client.on("ready", whileUsed(() => this.#isReady(client)));
    client.on("close", whileUsed(() => this.#isUnavailableNow()));
  }

  #isReady(client: Client): void {
    // A Sentinel that does not know yet may have named the old master again.
    if (this.#sentinelWatch?.isReplaced(peerOf(client))) this.breakOff(REPLACED);
    else this.#isUpNow();
  }

  #isUpNow(): void {
    this.#connecting(false);
    this.#lastError = undefined;
    this.#replacements = 0;
    this.#upSince = performance.now();
    this.#wasUp = true;
    for (const listener of this.#upListeners) listener();
    this.#attemptEnded();
    this.#outage.back(this);
  }

  #isUnavailableNow(): void {
    this.#connecting(false);
    this.#lost();
    this.#upSince = Infinity;
    const reason = this.#refusal ?? this.#lastError ?? new Error("the connection was closed");
    this.#attemptEnded(reason);
    if (!this.#isClosed) this.#outage.lost(this, reason);
  }

  #attemptEnded(error?: unknown): void {
    const attempt = this.#attempt;
    this.#attempt = undefined;
    if (error === undefined) attempt?.resolve();
    else attempt?.reject(error);
  }
}
