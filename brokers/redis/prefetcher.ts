import { checkReceive, type ReceiveOptions } from "../../core/consumer.ts";
import { AbortListener } from "../../platform/abort_listener.ts";
import { Notifier } from "../../platform/notifier.ts";
import { retryDelay } from "../../platform/retry_delay.ts";
import { nextTurn } from "../../platform/runtime.ts";
import { isUnavailable } from "../../clients/redis/errors.ts";
import { consumedQueue } from "./consumed_queue.ts";
import type { RedisDelivery } from "./delivery.ts";
import type { FetchDemand, FetchSource, SourceOptions } from "./fetch_source.ts";
import type { Acknowledgements, InFlight } from "./in_flight.ts";
import { failConsumers } from "./lease.ts";
import { MAX_BATCH } from "./scripts.ts";
import type { QueueHeartbeat, QueueMember, RedisSession, ServedQueue } from "./session.ts";

/** See {@linkcode Prefetcher}. */
type Mode = "idle" | "gathering" | "filling" | "waiting" | "failed" | "closed";

/**
 * Share of its room that `receive` has asked a prefetcher to fill: `none` before the first call, and
 * while it is paused; `part` if the limit of the call was below the room.
 */
type Demand = "none" | "part" | "all";

/** Options of a {@linkcode Prefetcher}. */
export interface PrefetcherOptions extends Pick<SourceOptions, "session" | "queueName" | "acks"> {
  readonly inFlight: InFlight;
  /** Gives deliveries back to the queue. */
  readonly giveBack: (deliveries: readonly RedisDelivery[]) => Promise<void>;
}

/**
 * Fetches messages of a queue into a buffer, from which `receive` takes them. It is always in one
 * of these modes:
 *
 * - **idle**: no fetch is pending; the next `receive` that finds room begins one. With a full prefetch
 *   it stays idle until a message is settled.
 * - **gathering**: there is room for less than a batch. At the end of the turn it fetches for all the
 *   room that there is by then; if that grows to a batch before, at once.
 * - **filling**: a fetch is pending. Its source may begin others ahead, as `roomBeside` permits.
 * - **waiting**: the queue was empty, or Redis is unavailable. It fetches nothing until a
 *   notification, a heartbeat or a timer wakes it up.
 * - **failed**: the lease was lost, or Redis refused a command. `receive` rejects; settling goes on.
 * - **closed**: `receive` returns nothing. Deliveries are given back once the fetches have ended.
 *
 *     idle ─▶ gathering ─▶ filling ─▶ idle, or waiting ─(woken up)▶ idle
 *     any ─▶ failed ─▶ closed
 */
export class Prefetcher implements QueueMember, FetchDemand {
  readonly inFlight: InFlight;
  readonly #session: RedisSession;
  readonly #acks: Acknowledgements;
  readonly #giveBack: PrefetcherOptions["giveBack"];
  readonly #source: FetchSource;
  /** The queue, with all consumers of this broker. */
  readonly #queue: ServedQueue;
  #mode: Mode = "idle";
  #demand: Demand = "none";
  /** Fetched deliveries that have not been received. */
  #buffer: RedisDelivery[] = [];
  /** The fetch that fills the buffer; it ends after a failure or a close, too. */
  #filling: Promise<void> | undefined;
  #failures = 0;
  #retryTimer: ReturnType<typeof setTimeout> | undefined;
  #error: unknown;
  #closing: Promise<void> | undefined;
  /** Ends a wait of `receive`, which then checks again. */
  readonly #changed: Notifier = new Notifier();
  readonly #abort: AbortListener = new AbortListener(() => this.#changed.notify());

  constructor(options: PrefetcherOptions, open: (demand: FetchDemand) => FetchSource) {
    this.#session = options.session;
    this.inFlight = options.inFlight;
    this.#acks = options.acks;
    this.#giveBack = options.giveBack;
    this.#queue = consumedQueue(options.session, options.queueName);
    this.#source = open(this);
  }

  get isClosed(): boolean {
    return this.#mode === "closed";
  }

  /** True if another consumer may have received its deliveries. */
  get isLost(): boolean {
    return this.#error !== undefined || this.#session.lease.isLost;
  }

  readonly wakeUp = (): void => {
    if (this.#mode === "waiting") this.#mode = "idle";
    this.#changed.notify();
  };

  /** Waits for room, then for messages. */
  async receive(limit: number, options: ReceiveOptions): Promise<RedisDelivery[]> {
    const signal = checkReceive(options);
    this.#abort.follow(signal);
    // The caller does not know of room that is made while it waits.
    this.#demand = limit >= this.inFlight.room ? "all" : "part";
    while (!this.isClosed && !signal?.aborted) {
      const { lease, queues } = this.#session;
      if (lease.isLost) failConsumers(lease, queues.values());
      if (this.#mode === "failed") throw this.#error;
      if (this.#buffer.length > 0) return this.#buffer.splice(0, limit);
      const room = Math.min(limit, this.inFlight.room, MAX_BATCH);
      if (room > 0) this.#fetchSoon(room);
      await this.#changed.next();
    }
    return [];
  }

  /** Tells `receive` that a message was settled. */
  roomMade(): void {
    this.#changed.notify();
  }

  /** Has the source fetch ahead if it can, so that acknowledgements are sent with that fetch. */
  fetchAhead(): void {
    this.#source.fetchAhead();
  }

  /** Fetches nothing more until the next `receive`, and gives back the buffer. */
  async pause(): Promise<void> {
    this.#demand = "none";
    // Pending fetches must arrive before the buffer can be given back.
    while (this.#isPaused && (this.#filling !== undefined || this.#source.fetches.length > 0)) {
      await (this.#filling ??= this.#fill(1));
    }
    if (!this.#isPaused) return;
    const left = this.inFlight.take(this.#buffer.splice(0));
    this.roomMade();
    await this.inFlight.settle(left, this.#giveBack(left));
  }

  /** Gives back all unsettled deliveries. */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  heartbeat(heartbeat: QueueHeartbeat): void {
    if (this.#mode === "waiting" && this.#source.hasMore(heartbeat)) this.wakeUp();
  }

  /** Pending fetches: they may bring messages that no consumer holds yet. */
  fetches(): unknown[] {
    const { fetches } = this.#source;
    return this.#filling === undefined ? [...fetches] : [this.#filling, ...fetches];
  }

  fail(error: unknown): void {
    this.#error ??= error;
    this.#enter("failed");
    this.#changed.notify();
  }

  /** No room if `receive` has asked for less than that: the messages would only be buffered. */
  roomBeside(arriving: number): number {
    if (this.#mode !== "filling" || this.#demand !== "all" || this.#abort.isAborted) return 0;
    const room = Math.min(this.inFlight.room - arriving, MAX_BATCH);
    return this.inFlight.isBatch(room) ? room : 0;
  }

  get #isPaused(): boolean {
    return this.#demand === "none" && !this.isClosed;
  }

  /** Changes the mode, unless it is failed or closed. */
  #enter(mode: Mode): void {
    if (this.#mode !== "failed" && this.#mode !== "closed") this.#mode = mode;
  }

  #fetchSoon(room: number): void {
    if (this.#mode !== "idle" && this.#mode !== "gathering") return;
    this.#queue.add(this);
    if (this.inFlight.isBatch(room)) this.#filling = this.#fill(room);
    else if (this.#mode === "idle") this.#gather();
  }

  #gather(): void {
    this.#mode = "gathering";
    const begun = this.#acks.expectFetch();
    nextTurn().then(() => {
      if (this.#mode === "gathering") this.#fetchGathered();
      begun();
    });
  }

  #fetchGathered(): void {
    const room = this.#abort.isAborted ? 0 : Math.min(this.inFlight.room, MAX_BATCH);
    if (room > 0) this.#filling = this.#fill(room);
    else this.#mode = "idle";
  }

  async #fill(limit: number): Promise<void> {
    this.#enter("filling");
    try {
      const deliveries = await this.#source.fetch(limit);
      this.#failures = 0;
      this.#arrived(deliveries);
      if (this.#buffer.length === 0) this.#buffer = deliveries;
      else this.#buffer.push(...deliveries);
      this.#enter(deliveries.length > 0 ? "idle" : "waiting");
      if (this.#mode === "waiting") this.#source.expectMore();
    } catch (error) {
      if (isUnavailable(error)) this.#retryLater();
      else this.fail(error);
    }
    this.#filling = undefined;
    this.#changed.notify();
  }

  #retryLater(): void {
    this.#enter("waiting");
    if (this.#mode !== "waiting") return;
    clearTimeout(this.#retryTimer);
    this.#retryTimer = setTimeout(this.wakeUp, retryDelay(this.#failures++));
  }

  async #close(): Promise<void> {
    this.#mode = "closed";
    this.#abort.follow(undefined);
    clearTimeout(this.#retryTimer);
    this.#source.expectNothing();
    this.#changed.notify();
    try {
      // Messages of pending fetches would otherwise stay unacknowledged.
      await this.#filling;
      this.#arrived(await this.#source.drain());
      const left = this.inFlight.takeAll();
      await this.inFlight.settle(left, this.#giveBack(left));
      await this.inFlight.settled();
    } finally {
      this.#queue.delete(this);
    }
    // After a failure, another consumer follows, or the broker is closed.
    if (this.#error === undefined) await this.#source.closed();
  }

  #arrived(deliveries: readonly RedisDelivery[]): void {
    this.#queue.arrived(deliveries);
    this.inFlight.add(deliveries);
  }
}
