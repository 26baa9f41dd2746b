import { Consumer, type OneOrMany, type ReceiveOptions, toList } from "../core/consumer.ts";
import type { Message } from "../core/message.ts";
import type { MessageProxy } from "../core/message_proxy.ts";
import { delayQueueName } from "../core/queue_names.ts";
import type { StubQueue } from "../brokers/stub/queue.ts";
import { AbortListener } from "../platform/abort_listener.ts";
import type { Clock } from "../platform/clock.ts";
import { Notifier } from "../platform/notifier.ts";

/** End of a delivery, as its consumer hears of it. */
export type Settled = "ack" | "nack" | "requeue";

/** A message, by its queue and id. */
export type MessageRef = Pick<Message, "queueName" | "messageId">;

/** Options of a {@linkcode Gate}. */
export interface GateOptions {
  readonly clock: Clock;
  /** Number of messages that run at once. */
  readonly concurrency: number;
  /** Hears of the end of each delivery, with the message as it was delivered. */
  settled(delivery: MessageProxy, message: Message, how: Settled): void;
}

/**
 * Decides when the worker of a test receives messages: while a call of the kit has it open, or one
 * message at a time. It gives out no more than can run, so that nothing is left to begin once it is
 * closed.
 *
 * closed ◀─▶ open, by how many calls; of a queue, one message may be admitted while it is closed
 */
export class Gate {
  readonly #options: GateOptions;
  readonly #consumers: Set<GatedConsumer> = new Set();
  /** Calls that have it open. */
  #openings = 0;
  #isHalted = false;
  /** Ids of messages that may pass while it is closed, by queue. */
  readonly #admitted: Map<string, Set<string>> = new Map();
  /** Grows with each message that is received or settled. */
  activity = 0;
  /** Notifies waiting consumers, and waiting calls of the kit. */
  readonly changed: Notifier = new Notifier();

  /**
   * Makes a closed gate.
   *
   * @param options The concurrency, and who hears of ends.
   */
  constructor(options: GateOptions) {
    this.#options = options;
  }

  /** Lets all messages pass until it is closed as often. */
  open(): void {
    this.#openings += 1;
    this.#isHalted = false;
    this.changed.notify();
  }

  /** Takes back what an `open` has allowed. */
  close(): void {
    this.#openings -= 1;
  }

  /** Lets nothing pass until it is opened again. */
  halt(): void {
    this.#isHalted = true;
  }

  /** Lets the first message of a queue pass, until it is received or refused. */
  admit({ queueName, messageId }: MessageRef): void {
    const ids = this.#admitted.get(queueName) ?? new Set();
    this.#admitted.set(queueName, ids.add(messageId));
    this.changed.notify();
  }

  /** Takes back that a message may pass. */
  refuse({ queueName, messageId }: MessageRef): void {
    this.#admitted.get(queueName)?.delete(messageId);
  }

  /** True if a consumer of a queue waits for a message that it may have now. */
  isAwaited(queueName: string): boolean {
    for (const consumer of this.#consumers) {
      if (consumer.queueName === queueName && consumer.mayReceive) return true;
    }
    return false;
  }

  /** Messages of queues, not of delay queues, that were given out and are not settled. */
  get inFlight(): MessageProxy[] {
    return [...this.#consumers].filter((one) => !one.isLost && !one.isDelayed)
      .flatMap((one) => one.unsettled);
  }

  /** Number of messages that a consumer may receive now. */
  roomFor({ queueName, isDelayed }: GatedConsumer): number {
    const isOpen = this.#openings > 0 && !this.#isHalted;
    if (isDelayed) return isOpen ? Infinity : 0;
    const wanted = isOpen ? Infinity : this.#admitted.get(queueName)?.size ?? 0;
    return Math.min(wanted, this.#options.concurrency - this.inFlight.length);
  }

  /** Puts a consumer behind the gate. */
  consume(inner: Consumer, queue: StubQueue): Consumer {
    const consumer: GatedConsumer = new GatedConsumer(inner, {
      gate: this,
      isDue: () => queue.nextDue <= this.#options.clock.now(),
      received: (messages) => {
        this.activity += 1;
        for (const message of messages) this.refuse(message);
      },
      settled: (delivery, message, how) => {
        this.activity += 1;
        if (!consumer.isDelayed) this.#options.settled(delivery, message, how);
        this.changed.notify();
      },
      closed: () => this.#consumers.delete(consumer),
    });
    this.#consumers.add(consumer);
    return consumer;
  }
}

/** Gate, as a {@linkcode GatedConsumer} sees it. */
interface GatedConsumerOptions {
  readonly gate: Gate;
  /** True if its queue has a message that can be taken. */
  isDue(): boolean;
  received(messages: readonly MessageProxy[]): void;
  readonly settled: GateOptions["settled"];
  closed(): void;
}

/** Consumer of a queue that gives messages only as its gate allows. */
class GatedConsumer extends Consumer {
  readonly #inner: Consumer;
  readonly #options: GatedConsumerOptions;
  /** Deliveries, and their messages as they came. */
  readonly #unsettled: Map<MessageProxy, Message> = new Map();
  readonly #abort: AbortListener;
  /** True if it is the consumer of a delay queue. */
  readonly isDelayed: boolean;
  #isWaiting = false;
  #isClosed = false;

  constructor(inner: Consumer, options: GatedConsumerOptions) {
    super(inner.queueName);
    this.#inner = inner;
    this.#options = options;
    this.isDelayed = inner.queueName === delayQueueName(inner.queueName);
    this.#abort = new AbortListener(() => options.gate.changed.notify());
  }

  override get isLost(): boolean {
    return this.#inner.isLost;
  }

  /** Deliveries that are not settled. */
  get unsettled(): MessageProxy[] {
    return [...this.#unsettled.keys()];
  }

  /** True if it waits, and could have a message. */
  get mayReceive(): boolean {
    return this.#isWaiting && this.#options.isDue() && this.#options.gate.roomFor(this) > 0;
  }

  async receive(limit: number, options: ReceiveOptions = {}): Promise<MessageProxy[]> {
    const { gate, isDue } = this.#options;
    this.#abort.follow(options.signal);
    this.#isWaiting = true;
    while (!this.#isClosed && !this.isLost && options.signal?.aborted !== true) {
      const room = Math.min(limit, gate.roomFor(this));
      if (room > 0 && isDue()) break;
      await gate.changed.next();
    }
    this.#isWaiting = false;
    if (this.#isClosed || options.signal?.aborted === true) return [];
    const messages = await this.#inner.receive(Math.min(limit, gate.roomFor(this)), options);
    for (const delivery of messages) this.#unsettled.set(delivery, delivery.message);
    this.#options.received(messages);
    return messages;
  }

  override begin(messages: OneOrMany): Promise<readonly MessageProxy[]> {
    return this.#inner.begin(messages);
  }

  async ack(messages: OneOrMany): Promise<void> {
    await this.#inner.ack(messages);
    this.#settled(messages, "ack");
  }

  async nack(messages: OneOrMany): Promise<void> {
    await this.#inner.nack(messages);
    this.#settled(messages, "nack");
  }

  async requeue(messages: OneOrMany): Promise<void> {
    await this.#inner.requeue(messages);
    this.#settled(messages, "requeue");
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    this.#abort.follow(undefined);
    this.#options.gate.changed.notify();
    await this.#inner.close();
    this.#settled(this.unsettled, "requeue");
    this.#options.closed();
  }

  #settled(messages: OneOrMany, how: Settled): void {
    for (const delivery of toList(messages)) {
      const message = this.#unsettled.get(delivery);
      if (this.#unsettled.delete(delivery)) this.#options.settled(delivery, message!, how);
    }
  }
}
