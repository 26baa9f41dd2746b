import { AbortListener } from "../../platform/abort_listener.ts";
import {
  checkReceive,
  Consumer,
  type OneOrMany,
  type ReceiveOptions,
  toList,
} from "../../core/consumer.ts";
import { ConnectionClosed } from "../../core/errors.ts";
import { MessageProxy } from "../../core/message_proxy.ts";
import { IndexedSet, type IndexedSetItem } from "../../platform/indexed_set.ts";
import { decodeFromQueue } from "../../core/undecodable_message.ts";
import { Notifier } from "../../platform/notifier.ts";
import type { StoredMessage, StubQueue } from "./queue.ts";

/** A message delivered by a stub consumer. */
class StubDelivery extends MessageProxy implements IndexedSetItem {
  readonly stored: StoredMessage;
  /** Grows from delivery to delivery. */
  readonly order: number;
  setIndex = -1;

  constructor(queueName: string, stored: StoredMessage, order: number) {
    super(decodeFromQueue(queueName, stored.data));
    this.stored = stored;
    this.order = order;
    if (stored.suspicion !== undefined) this.suspicion = stored.suspicion;
  }
}

/** Options of a {@linkcode StubConsumer}. */
export interface StubConsumerOptions {
  readonly queue: StubQueue;
  readonly prefetch: number;
  addDeadLetter(message: MessageProxy): void;
  onClose(): void;
}

/** The consumer of a `StubBroker`. */
export class StubConsumer extends Consumer {
  readonly #options: StubConsumerOptions;
  readonly #unsettled: IndexedSet<StubDelivery> = new IndexedSet();
  /** Notifies of room, when the prefetch was used up. */
  readonly #room: Notifier = new Notifier();
  #deliveries = 0;
  #isClosed = false;
  #isLost = false;
  readonly #wake = (): void => {
    this.#room.notify();
    this.#options.queue.wake();
  };
  readonly #abort: AbortListener = new AbortListener(this.#wake);

  constructor(queueName: string, options: StubConsumerOptions) {
    super(queueName);
    this.#options = options;
  }

  /** Messages that were received and not settled. */
  get unsettled(): StoredMessage[] {
    return Array.from(this.#unsettled, ({ stored }) => stored);
  }

  /** True if its messages were requeued as those of a dead worker. */
  override get isLost(): boolean {
    return this.#isLost;
  }

  async receive(limit: number, options: ReceiveOptions = {}): Promise<MessageProxy[]> {
    const signal = checkReceive(options);
    const { queue, prefetch } = this.#options;
    this.#abort.follow(signal);
    while (!this.#isClosed && !signal?.aborted) {
      const room = prefetch - this.#unsettled.size;
      const stored = queue.take(Math.min(limit, room));
      if (stored.length === 0) {
        await (room > 0 ? queue.changed() : this.#room.next());
        continue;
      }
      const messages = stored.map((one) =>
        new StubDelivery(this.queueName, one, this.#deliveries++)
      );
      for (const message of messages) this.#unsettled.add(message);
      return messages;
    }
    if (this.#isLost) throw new ConnectionClosed("Cannot receive messages: the consumer is lost");
    return [];
  }

  // deno-lint-ignore require-await -- asynchronous for others, and so are its errors
  override async begin(messages: OneOrMany): Promise<readonly MessageProxy[]> {
    const held = toList(messages).filter((one) => this.#unsettled.has(one as StubDelivery));
    for (const { stored } of held as StubDelivery[]) {
      stored.isMarked = stored.suspicion !== undefined;
    }
    return held;
  }

  /** Requeues its messages, as those of a dead worker. */
  lose(): void {
    this.#isClosed = true;
    this.#isLost = true;
    this.#options.onClose();
    const taken = this.#take([...this.#unsettled].sort((a, b) => a.order - b.order));
    for (const { stored } of taken) {
      const { deaths = 0, notes = "" } = stored.suspicion ?? {};
      stored.suspicion = stored.isMarked === true
        ? { deaths: deaths + 1, notes: `${notes}${notes && "; "}a consumer that was lost` }
        : { deaths, notes };
    }
    this.#putBack(taken);
    this.#wake();
  }

  // deno-lint-ignore require-await -- asynchronous for others, and so are its errors
  async ack(messages: OneOrMany): Promise<void> {
    this.#options.queue.settled(this.#take(messages).length);
  }

  // deno-lint-ignore require-await -- asynchronous for others, and so are its errors
  async nack(messages: OneOrMany): Promise<void> {
    const taken = this.#take(messages);
    for (const message of taken) this.#options.addDeadLetter(message);
    this.#options.queue.settled(taken.length);
  }

  // deno-lint-ignore require-await -- asynchronous for others, and so are its errors
  async requeue(messages: OneOrMany): Promise<void> {
    this.#putBack(this.#take(messages));
  }

  #putBack(taken: readonly StubDelivery[]): void {
    for (const { stored } of taken) stored.isMarked = false;
    this.#options.queue.putBack(taken.map((message) => message.stored));
    this.#options.queue.settled(taken.length);
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    this.#abort.follow(undefined);
    this.#wake();
    this.#options.onClose();
    await this.requeue([...this.#unsettled].sort((a, b) => a.order - b.order));
  }

  /** Takes the unsettled ones of these messages: others were settled or requeued before. */
  #take(messages: OneOrMany): StubDelivery[] {
    const taken = toList(messages).filter((message): message is StubDelivery =>
      this.#unsettled.delete(message as StubDelivery)
    );
    this.#room.notify();
    return taken;
  }
}
