import { AbortListener } from "../../platform/abort_listener.ts";
import {
  checkReceive,
  Consumer,
  type OneOrMany,
  type ReceiveOptions,
  toList,
} from "../../core/consumer.ts";
import type { Encoded } from "../../encoders/encoder.ts";
import { ConnectionClosed } from "../../core/errors.ts";
import { getLogger } from "../../platform/logging.ts";
import type { MessageProxy } from "../../core/message_proxy.ts";
import { IndexedSet } from "../../platform/indexed_set.ts";
import { Notifier } from "../../platform/notifier.ts";
import { storeDeadLetter } from "../../core/store_dead_letter.ts";
import { errorMessage } from "../../platform/thrown.ts";
import { ConsumerJob, type ConsumerSteps } from "./consumer_job.ts";
import type { SqliteDelivery } from "./delivery.ts";
import { LongBodies } from "./long_bodies.ts";
import type { ClaimedRow, MessageSource } from "./message_source.ts";
import type { Session } from "./session.ts";
import type { LeasedConsumer } from "./worker_lease.ts";
import { markSuspects } from "./suspects.ts";
import { SettlementBatch, Settlements } from "./settlements.ts";
import { assertStorable } from "./storing.ts";

const log = /* @__PURE__ */ getLogger("sqlite", "consumer");

/** Maximum of messages that one transaction claims. */
const MAX_CLAIM = 500;

/**
 * Consumes a queue. One transaction at the end of a turn of the event loop writes the settlements of
 * that turn, and claims messages for the room that there is then.
 *
 * idle ─(receive, room)▶ claiming ─(claimed some)▶ idle
 *                            └─(queue is empty)▶ empty ─(another commit)▶ idle
 * any ─(close, loss)▶ closed: only settles
 */
export class QueueConsumer extends Consumer implements LeasedConsumer {
  readonly #session: Session;
  readonly #source: MessageSource;
  readonly #prefetch: number;
  readonly #unsettled: IndexedSet<SqliteDelivery> = new IndexedSet();
  /** Claimed deliveries that have not been received. */
  #ready: SqliteDelivery[] = [];
  /** Claimed messages whose long bodies have not been read. */
  readonly #unread: LongBodies;
  #state: "idle" | "claiming" | "empty" | "closed" = "idle";
  #isPaused = false;
  /** Limit of the last `receive`; `Infinity` if it was at least the room. */
  #limit = 0;
  #isTakenOver = false;
  #isListening = false;
  readonly #settlements: Settlements = new Settlements(
    () => new SettlementBatch(this.#ownerOrThrow()),
    () => this.#job.enqueue(),
  );
  #error: unknown;
  #closing: Promise<void> | undefined;
  readonly #changed: Notifier = new Notifier();
  readonly #abort: AbortListener = new AbortListener(() => this.#changed.notify());
  readonly #job: ConsumerJob;
  readonly #onChange = (): void => {
    if (this.#state !== "empty") return;
    this.#state = "idle";
    this.#changed.notify();
  };

  /**
   * Stores the source; the first `receive` opens the database.
   *
   * @param queueName The queue.
   * @param prefetch Maximum of unsettled messages.
   * @param session The broker.
   * @param openSource Opens the source of messages, which calls back when there may be more.
   */
  constructor(
    queueName: string,
    prefetch: number,
    session: Session,
    openSource: (wake: () => void) => MessageSource,
  ) {
    super(queueName);
    this.#session = session;
    this.#source = openSource(this.#onChange);
    this.#prefetch = prefetch;
    this.#job = new ConsumerJob(session.connection.writer, this.#steps());
    this.#unread = new LongBodies(session.connection, {
      accept: (row, body) => this.#accept(row, body),
      // A consumer that is closed has requeued them; of one that failed, they are another worker's.
      resume: () =>
        this.#closing === undefined && this.#error === undefined && this.#resumeReading(),
      fail: (error) => this.fail(error),
    });
    session.consumers.add(this);
  }

  /** True if another worker may have received its deliveries. */
  override get isLost(): boolean {
    return this.#error !== undefined || this.#session.lease.isLost;
  }

  async receive(limit: number, options: ReceiveOptions = {}): Promise<MessageProxy[]> {
    const signal = checkReceive(options);
    this.#abort.follow(signal);
    this.#isPaused = false;
    // The caller does not know of room that is made while it waits.
    this.#limit = limit >= this.#room ? Infinity : limit;
    while (this.#closing === undefined && !signal?.aborted) {
      this.#session.lease.failIfLost();
      if (this.#error !== undefined) throw this.#error;
      if (this.#ready.length > 0) return this.#ready.splice(0, limit);
      if (this.#room > 0) this.#claimSoon();
      if (this.#error === undefined) await this.#changed.next();
    }
    return [];
  }

  override async begin(messages: OneOrMany): Promise<readonly MessageProxy[]> {
    return await markSuspects(this.#session, toList(messages));
  }

  ack(messages: OneOrMany): Promise<void> {
    return this.#settleAll("acks", messages);
  }

  async nack(messages: OneOrMany): Promise<void> {
    const taken = this.#take(messages);
    await Promise.all(taken.map((one) =>
      storeDeadLetter(one, one.delivered, (deadLetter) => {
        const body = deadLetter === one.delivered ? undefined : deadLetter.encode();
        if (body !== undefined) assertStorable(one.delivered, body);
        return this.#settlements.addDead({ id: one.id, body });
      })
    ));
  }

  requeue(messages: OneOrMany): Promise<void> {
    return this.#settleAll("requeues", messages);
  }

  override async pause(): Promise<void> {
    this.#isPaused = true;
    await this.#giveBack(this.#ready.splice(0));
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  /** Fails the consumer: its deliveries may be another worker's. */
  fail(error: unknown): void {
    this.#error ??= error;
    this.#settlements.fail(error);
    this.#changed.notify();
  }

  #steps(): ConsumerSteps {
    return {
      queueName: this.queueName,
      isOpen: () => this.#closing === undefined && this.#error === undefined,
      settle: () => this.#settlements.run(this.#session.connection, this.#session.clock.now()),
      claim: () => this.#claim(),
      committed: (rows) => this.#committed(rows),
      retrying: () => void (this.#state = "claiming"),
      failed: (error) => this.#failed(error),
    };
  }

  get #room(): number {
    return this.#prefetch - this.#unsettled.size - this.#unread.size;
  }

  #claimSoon(): void {
    const { lease, connection } = this.#session;
    if (this.#state !== "idle" || this.#isPaused) return;
    if (lease.owner === undefined) return this.#beginLease();
    if (!this.#isListening) {
      this.#isListening = true;
      connection.notifier.listen(this.#onChange);
    }
    if (this.#settlements.isEmpty && !this.#mayHaveMore()) {
      this.#state = "empty";
      return;
    }
    this.#state = "claiming";
    this.#job.enqueue();
  }

  #beginLease(): void {
    this.#state = "claiming";
    this.#session.lease.begin().then(() => {
      if (this.#state === "claiming") this.#state = "idle";
      this.#changed.notify();
    }, (error) => this.fail(error));
  }

  /** Reads without a lock: an idle consumer never writes. */
  #mayHaveMore(): boolean {
    try {
      const queue = this.#session.queues.find(this.#source.storedName);
      return queue !== undefined && this.#source.hasMore(queue);
    } catch {
      return true; // the transaction reports the error
    }
  }

  #claim(): ClaimedRow[] {
    const { queues, lease } = this.#session;
    const limit = Math.min(this.#room, this.#limit, MAX_CLAIM);
    if (this.#state !== "claiming" || !this.#mayClaim || limit <= 0) return [];
    const queue = queues.find(this.#source.storedName);
    if (queue === undefined) return [];
    this.#isTakenOver = !lease.isRecorded;
    return this.#isTakenOver ? [] : this.#source.claim(queue, lease.owner!, limit);
  }

  get #mayClaim(): boolean {
    const { lease } = this.#session;
    return !this.#isPaused && !this.#abort.isAborted && this.#error === undefined &&
      lease.owner !== undefined && !lease.isLost;
  }

  #committed(rows: ClaimedRow[]): void {
    const batch = this.#settlements.committed();
    if (this.#isTakenOver) this.#session.lease.failTakenOver();
    if (!this.#settlements.isEmpty) this.#job.enqueue();
    if (this.#state === "claiming") this.#state = "idle"; // `#claimSoon` checks whether it is empty
    if (this.#source.hasPromoted) this.#session.connection.notifier.notify();
    if (rows.length > 0) {
      if (rows.length > 1) rows.sort((a, b) => a[1] - b[1] || a[2] - b[2] || a[0] - b[0]);
      this.#unread.read(rows);
    }
    this.#notifyOthers(batch);
    this.#changed.notify();
  }

  /** Wakes consumers that may receive requeued messages, and `join` when the queue may be done. */
  #notifyOthers(batch: SettlementBatch | undefined): void {
    if (batch === undefined) return;
    const isDone = this.#unsettled.size === 0 && this.#unread.size === 0;
    if (batch.requeues.length > 0 || isDone) this.#session.connection.notifier.notify();
  }

  #failed(error: unknown): void {
    if (this.#state === "claiming") this.#state = "idle";
    this.#settlements.fail(error);
    if (this.#closing === undefined) this.fail(error);
  }

  #accept(row: ClaimedRow, body: Encoded): void {
    const delivery = this.#source.decode(row, body);
    this.#unsettled.add(delivery);
    this.#ready.push(delivery);
  }

  #resumeReading(): void {
    if (this.#isPaused) this.#requeueUnread().catch(() => {}); // a lost lease fails the consumer
    else this.#unread.read(this.#unread.takeAll());
    this.#changed.notify();
  }

  #settleAll(verb: "acks" | "requeues", messages: OneOrMany): Promise<void> {
    try {
      return this.#settlements.add(verb, this.#take(messages));
    } catch (error) {
      return Promise.reject(error);
    }
  }

  #ownerOrThrow(): number {
    const { owner } = this.#session.lease;
    if (this.#error !== undefined) throw this.#error;
    if (owner === undefined) {
      throw new ConnectionClosed("Cannot settle messages: the lease was lost");
    }
    return owner;
  }

  #take(messages: OneOrMany): SqliteDelivery[] {
    const taken = toList(messages).filter((one): one is SqliteDelivery =>
      this.#unsettled.delete(one as SqliteDelivery) && !(one as SqliteDelivery).isPromoted
    );
    this.#changed.notify();
    return taken;
  }

  async #giveBack(deliveries: readonly SqliteDelivery[]): Promise<void> {
    for (const one of deliveries) this.#unsettled.delete(one);
    await this.#settlements.add("requeues", deliveries);
  }

  #requeueUnread(): Promise<void> {
    return this.#settlements.add("requeues", this.#unread.takeAll().map(([id]) => ({ id })));
  }

  async #close(): Promise<void> {
    this.#abort.follow(undefined);
    this.#job.stopRetrying();
    this.#source.close();
    const { connection, consumers } = this.#session;
    if (this.#isListening) connection.notifier.unlisten(this.#onChange);
    this.#state = "closed";
    this.#changed.notify();
    try {
      if (this.#error === undefined) {
        await this.#giveBack([...this.#unsettled].filter(({ isPromoted }) => !isPromoted));
        await this.#requeueUnread();
        if (!this.#settlements.isEmpty) this.#job.enqueue();
        await this.#settlements.settled();
      }
    } catch (error) {
      log.warn("Failed to requeue messages of {queue}: {reason}", {
        queue: this.queueName,
        reason: errorMessage(error),
        error,
      });
    } finally {
      consumers.delete(this);
    }
  }
}
