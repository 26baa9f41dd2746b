import {
  checkReceive,
  Consumer,
  type OneOrMany,
  type ReceiveOptions,
  toList,
} from "../core/consumer.ts";
import type { Message } from "../core/message.ts";
import type { MessageProxy } from "../core/message_proxy.ts";
import { delayQueueName } from "../core/queue_names.ts";
import type { StubQueue } from "../brokers/stub/queue.ts";
import { AbortListener } from "../platform/abort_listener.ts";
import type { Clock } from "../platform/clock.ts";
import { Notifier } from "../platform/notifier.ts";

/** Call of a consumer that settles a delivery. */
export type Settled = "ack" | "nack" | "requeue";

/** Queue and id of a message. */
export type MessageRef = Pick<Message, "queueName" | "messageId">;

/** Options of a {@linkcode Gate}. */
export interface GateOptions {
  readonly clock: Clock;
  /** Number of messages that run at once. */
  readonly concurrency: number;
  /** Called when a delivery is settled, with the message as it was delivered. */
  settled(delivery: MessageProxy, message: Message, how: Settled): void;
}

/**
 * Lets the worker of a test receive messages only during calls such as `drain`. It never delivers
 * more than can run at once, so that none is prefetched when it closes.
 *
 * closed ◀─▶ open (during any number of calls) ─▶ halted (until the next call). While it is closed,
 * single messages can be admitted, see `admit`.
 */
export class Gate {
  readonly #options: GateOptions;
  readonly #consumers: Set<GatedConsumer> = new Set();
  /** Number of calls that keep it open. */
  #openings = 0;
  #isHalted = false;
  /** Ids of messages that may pass while it is closed, by queue. */
  readonly #admitted: Map<string, Set<string>> = new Map();
  /** Counter that increases whenever messages are received or settled. */
  activity = 0;
  /** Notifies waiting consumers and waiting calls. */
  readonly changed: Notifier = new Notifier();

  /**
   * Makes a closed gate.
   *
   * @param options The clock, the concurrency, and a callback.
   */
  constructor(options: GateOptions) {
    this.#options = options;
  }

  /** Lets all messages pass until the matching `close`. */
  open(): void {
    this.#openings += 1;
    this.#isHalted = false;
    this.changed.notify();
  }

  /** Ends one `open`. */
  close(): void {
    this.#openings -= 1;
  }

  /** Lets no message pass until the next `open`. */
  halt(): void {
    this.#isHalted = true;
  }

  /** Lets the first message of a queue pass, until it is received or refused. */
  admit({ queueName, messageId }: MessageRef): void {
    const ids = this.#admitted.get(queueName) ?? new Set();
    this.#admitted.set(queueName, ids.add(messageId));
    this.changed.notify();
  }

  /** Ends an `admit`. */
  refuse({ queueName, messageId }: MessageRef): void {
    this.#admitted.get(queueName)?.delete(messageId);
  }

  /** True if a consumer of a queue is waiting, and may receive a message now. */
  isAwaited(queueName: string): boolean {
    for (const consumer of this.#consumers) {
      if (consumer.queueName === queueName && consumer.mayReceive) return true;
    }
    return false;
  }

  /** Unsettled messages of queues, without those of delay queues. */
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

  /** Wraps a consumer so that it receives messages through the gate. */
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

/** Options of a {@linkcode GatedConsumer}. */
interface GatedConsumerOptions {
  readonly gate: Gate;
  /** True if its queue has a message that is due. */
  isDue(): boolean;
  received(messages: readonly MessageProxy[]): void;
  readonly settled: GateOptions["settled"];
  closed(): void;
}

/** Consumer of a queue that receives messages only when its gate allows it. */
class GatedConsumer extends Consumer {
  readonly #inner: Consumer;
  readonly #options: GatedConsumerOptions;
  /** Unsettled deliveries, with the messages as they were delivered. */
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

  /** Unsettled deliveries. */
  get unsettled(): MessageProxy[] {
    return [...this.#unsettled.keys()];
  }

  /** True if it is waiting, and may receive a message now. */
  get mayReceive(): boolean {
    return this.#isWaiting && this.#options.isDue() && this.#options.gate.roomFor(this) > 0;
  }

  async receive(limit: number, options: ReceiveOptions = {}): Promise<MessageProxy[]> {
    const { gate, isDue } = this.#options;
    this.#abort.follow(checkReceive(options));
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
