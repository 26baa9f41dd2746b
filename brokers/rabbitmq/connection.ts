import { tlsAdvice } from "../../clients/tls_advice.ts";
import { closedFor } from "../../core/delivery_state.ts";
import { NO_ADDRESS } from "../../core/global_broker.ts";
import { getLogger } from "../../platform/logging.ts";
import { Outage } from "../../platform/outage.ts";
import { retryDelay } from "../../platform/retry_delay.ts";
import { errorMessage } from "../../platform/thrown.ts";
import { nameOf, type RabbitmqSource } from "./address.ts";
import { type Channel, closeModel, type Model, openModel } from "./client.ts";
import { ControlChannel } from "./control_channel.ts";
import { openChannel, type OpenChannelOptions } from "./open_channel.ts";
import { watchSilence } from "./silence.ts";
import { explain, explainFailure } from "./errors.ts";

const log = /* @__PURE__ */ getLogger("rabbitmq");

/** Creates the outage log that all connections of one broker share. */
export function outagesOf(sources: readonly RabbitmqSource[]): Outage {
  return new Outage(log, "RabbitMQ", sources.map(nameOf).join(", "));
}

/** Purpose of a connection. */
export type Role = "publish" | "consume" | "inspect";

/**
 * A connection to the first server that can be reached, opened on first use, and reopened as soon as it
 * is lost.
 *
 * down ◀─▶ up ─(close)▶ closed
 */
export class RabbitmqConnection {
  readonly #role: Role;
  readonly #sources: readonly RabbitmqSource[];
  readonly #outage: Outage;
  #model: Model | undefined;
  #server = "";
  #version: readonly [number, number] = [0, 0];
  /** Outcome of the current round of attempts, if there are waiters. */
  #attempt: PromiseWithResolvers<Model> | undefined;
  #isConnecting = false;
  /** True once it was up: from then on it is reopened without waiters. */
  #isKept = false;
  #isClosed = false;
  #endPause: () => void = () => {};
  readonly #control: ControlChannel = new ControlChannel(async () =>
    (await this.openChannel()).channel
  );
  readonly #lostListeners: Set<(error: Error) => void> = new Set();
  /** The present block by the server (`connection.blocked`): its start, by `performance.now()`. */
  #block: { readonly since: number; readonly reason: string } | undefined;
  readonly #unblockedListeners: (() => void)[] = [];
  /** Returns when the server was last heard from, while the connection is up. */
  #hear: () => number = () => performance.now();
  /** When a server was last heard from before the connection was lost, by `performance.now()`. */
  #heardAt: number | undefined;

  /**
   * Stores the addresses; the first use connects.
   *
   * @param role Purpose of the connection.
   * @param sources The servers in order.
   * @param outage Outage log.
   */
  constructor(role: Role, sources: readonly RabbitmqSource[], outage: Outage) {
    this.#role = role;
    this.#sources = sources;
    this.#outage = outage;
  }

  /** True if the connection is up. */
  get isUp(): boolean {
    return this.#model !== undefined;
  }

  /** Milliseconds since a server was last heard from; 0 while the connection is up, or was never. */
  get silentFor(): number {
    return this.isUp || this.#heardAt === undefined ? 0 : performance.now() - this.#heardAt;
  }

  /** True if `close` was called. */
  get isClosed(): boolean {
    return this.#isClosed;
  }

  /** Name of the last server; empty before the first one. */
  get server(): string {
    return this.#server;
  }

  /** Version of the last server as numbers, `[3, 10]`; `[0, 0]` before the first one. */
  get version(): readonly [number, number] {
    return this.#version;
  }

  /** Start and reason of the present block by the server, if any, by `performance.now()`. */
  get block(): { readonly since: number; readonly reason: string } | undefined {
    return this.#block;
  }

  /** True if a connection returned by `whenUp` is still in use. */
  isCurrent(model: Model): boolean {
    return this.#model === model;
  }

  /** Adds a listener, called each time that the connection is lost. */
  onLost(listener: (error: Error) => void): void {
    this.#lostListeners.add(listener);
  }

  /** Removes a listener of {@linkcode onLost}. */
  offLost(listener: (error: Error) => void): void {
    this.#lostListeners.delete(listener);
  }

  /** Adds a listener, called each time that a block ends, or a blocked connection is lost. */
  onUnblocked(listener: () => void): void {
    this.#unblockedListeners.push(listener);
  }

  /**
   * Returns the connection, or waits for the outcome of the next round of attempts.
   *
   * @throws {ConnectionFailed} If no server could be reached in that round.
   * @throws {ConnectionClosed} If it is closed.
   */
  async whenUp(): Promise<Model> {
    if (this.#model !== undefined) return this.#model;
    if (this.#isClosed) throw closedFor("connect to RabbitMQ");
    this.#attempt ??= Promise.withResolvers();
    const { promise } = this.#attempt;
    if (!this.#isConnecting) void this.#connect();
    return await promise;
  }

  /**
   * Opens a channel, or drops a connection that the server does not read: see `openChannel`.
   *
   * @param options Whether messages are confirmed, and other signs that the server reads.
   * @throws {ConnectionFailed} As {@linkcode whenUp}.
   */
  async openChannel(
    { isConfirmed = false, heard = () => 0 }: Partial<OpenChannelOptions> = {},
  ): Promise<{ readonly model: Model; readonly channel: Channel }> {
    const model = await this.whenUp();
    const isReading = () => this.#model === model && this.#block === undefined;
    return { model, channel: await openChannel(model, { isConfirmed, isReading, heard }) };
  }

  /**
   * Runs an operation on queues: see {@linkcode ControlChannel}.
   *
   * @param purpose Purpose of the operation: the end of "Cannot …".
   * @param operate Runs it on a channel.
   * @throws {BrokerConnectionError} If the server cannot be reached, or refuses.
   */
  async control<T>(purpose: string, operate: (channel: Channel) => Promise<T>): Promise<T> {
    return await this.#control.run(purpose, operate);
  }

  /** Closes the connection. */
  async close(): Promise<void> {
    this.#isClosed = true;
    this.#outage.forget(this);
    this.#endPause();
    const model = this.#model;
    this.#model = undefined;
    if (model === undefined) return;
    await this.#control.close();
    await closeModel(model);
  }

  /** Runs rounds of attempts, while there are waiters or the connection was up before. */
  async #connect(): Promise<void> {
    this.#isConnecting = true;
    for (let failures = 0; this.#isNeeded; failures++) {
      try {
        this.#handleUp(await this.#tryAll());
        break;
      } catch (error) {
        this.#fail(error as Error);
      }
      await this.#pause(retryDelay(failures));
    }
    this.#isConnecting = false;
    if (this.#isClosed) this.#fail(closedFor("connect to RabbitMQ"));
  }

  get #isNeeded(): boolean {
    return !this.#isClosed && (this.#isKept || this.#attempt !== undefined);
  }

  #fail(error: Error): void {
    if (!this.#isClosed) this.#outage.lost(this, error);
    const attempt = this.#attempt;
    this.#attempt = undefined;
    attempt?.reject(error);
  }

  /** Tries each server once. */
  async #tryAll(): Promise<Model> {
    let reason: Error | undefined;
    for (const source of this.#sources) {
      try {
        const model = await openModel(source, `dramatiq ${this.#role}`);
        this.#server = nameOf(source);
        return model;
      } catch (error) {
        const advice = this.#isKept
          ? ""
          : source.isDefault
          ? `; ${NO_ADDRESS}`
          : tlsAdvice(error, source.isTls, "amqp");
        reason = explainFailure(nameOf(source), error, advice);
      }
      if (this.#isClosed) break;
    }
    throw reason!;
  }

  #handleUp(model: Model): void {
    let reason: Error | undefined;
    model.on("error", (error) => reason = error);
    model.on("close", (error) => this.#lost(model, reason ?? error));
    model.on("blocked", (reason) => this.#blocked(reason));
    model.on("unblocked", () => this.#unblocked());
    if (this.#isClosed) return void closeModel(model);
    this.#hear = watchSilence(model);
    this.#model = model;
    this.#version = versionOf(model);
    this.#isKept = true;
    this.#outage.back(this);
    const attempt = this.#attempt;
    this.#attempt = undefined;
    attempt?.resolve(model);
  }

  #lost(model: Model, cause: Error | undefined): void {
    if (this.#model !== model) return; // closed by us
    this.#model = undefined;
    this.#heardAt = this.#hear();
    this.#control.lost();
    this.#unblocked();
    model.connection.stream.destroy();
    const error = explain(
      "go on with RabbitMQ",
      cause ?? new Error("the connection was closed"),
    );
    this.#outage.lost(this, new Error(errorMessage(cause ?? error), { cause }));
    for (const listener of [...this.#lostListeners]) listener(error);
    if (!this.#isConnecting) void this.#connect();
  }

  #blocked(reason: string): void {
    if (this.#block === undefined) log.warn("Blocked by RabbitMQ: {reason}", { reason });
    this.#block ??= { since: performance.now(), reason };
  }

  #unblocked(): void {
    if (this.#block === undefined) return;
    const duration = Math.round(performance.now() - this.#block.since);
    if (this.isUp) log.warn("Unblocked by RabbitMQ after {duration} ms", { duration });
    this.#block = undefined;
    for (const listener of this.#unblockedListeners) listener();
  }

  async #pause(ms: number): Promise<void> {
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, ms);
      this.#endPause = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }
}

function versionOf({ connection: { serverProperties } }: Model): readonly [number, number] {
  const [major = 0, minor = 0] = String(serverProperties.version ?? "").split(".").map(Number);
  return [major, minor];
}
